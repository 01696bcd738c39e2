# with migration
"""Migrations of lost items, in the order of their names."""
