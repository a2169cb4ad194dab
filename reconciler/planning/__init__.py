"""Floor 2: pure decisions from values to values. May import only ``model`` and pure parts of the standard library."""
