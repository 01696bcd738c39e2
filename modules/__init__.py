"""The feature modules, one folder each. Every folder declares itself; see docs/adding-a-module.md."""
