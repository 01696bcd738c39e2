"""Reading and writing student records, one at a time and in bulk."""
