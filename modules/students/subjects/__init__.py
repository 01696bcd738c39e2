"""Subjects: their spelling, maxima, order and titles; renaming and merging them."""
