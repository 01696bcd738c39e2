"""Operation of the service: startup, logging, health checks, metrics and traces."""
