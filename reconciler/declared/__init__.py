"""Floor 2: what users write, read strictly and with lines: YAML, schemas and their words, which folders are stacks."""
