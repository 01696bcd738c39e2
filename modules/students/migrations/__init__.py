"""Migrations of student records, in the order of their names."""
