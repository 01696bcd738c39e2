"""Imports of students."""
