"""The versions of a student."""
