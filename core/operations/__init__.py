"""Starting, logging, health, metrics and traces: what whoever runs the service needs."""
