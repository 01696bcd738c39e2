"""The foundation of all feature modules. Core refers to no module by name."""
