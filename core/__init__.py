"""What every module stands on. Core knows no module by name."""
