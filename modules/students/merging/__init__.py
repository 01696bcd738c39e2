"""Merging two records of one student, and undoing that."""
