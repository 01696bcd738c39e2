"""The files of imports: uploads, storage and formats."""
