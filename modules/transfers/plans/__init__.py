"""Reading of the plans of imports: what each row does."""
