"""Subjects: their declarations, and renaming and merging them."""
