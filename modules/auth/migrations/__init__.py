"""Migrations of accounts, in the order of their names."""
