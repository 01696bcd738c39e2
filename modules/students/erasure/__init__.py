"""Erasing a student for good."""
