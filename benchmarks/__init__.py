"""Benchmarks, which measure times that tests should not assert. Most modules are commands."""
