"""Floor 3's ground: Git's low commands (its plumbing), as the adapters that read and write the mirror share them.

Processes, bytes and files only. What a revision means for a stack is decided above; nothing here knows a setting's
name, an event or a stack.
"""
