"""Columns: what each column of a file is taken for, and what its cells mean."""
