"""Floor 3: one file per port, unaware of each other; the only homes of the SDKs and of subprocesses."""
