"""How uvicorn serves the app: connections, limits, processes, TLS."""
