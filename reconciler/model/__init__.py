"""Floor 1: the frozen values everything else speaks in. Standard library only; no I/O, no clock, no decisions."""
