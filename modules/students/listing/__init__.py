"""Lists of students: filters, sorting, search and pages."""
