"""``env.schema.json``: how it is read, and how the variables of a stack are held against it. Does no I/O."""
