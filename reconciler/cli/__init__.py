"""Floor 5: the command line and the wiring of adapters to ports."""
