"""Feature modules, one folder each. Each folder declares its own module; see docs/adding-a-module.md."""
