"""What tests should not assert: times. Each module is a command of its own."""
