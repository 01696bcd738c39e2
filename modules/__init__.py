"""The feature modules, one folder each. Every folder declares itself; see CONTRIBUTING.md."""
