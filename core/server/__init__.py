"""The uvicorn server that runs the app: connections, limits, processes and TLS."""
