"""The stored subjects, and the marks that name them in any spelling."""
