"""Permanent erasure of a student."""
