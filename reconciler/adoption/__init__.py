"""Taking over from a Compose project that was brought up by hand: what is found of it, what would be done about it, and the
doing, which can be undone until somebody confirms it. ``deciding`` and ``host_file`` are pure; ``adopter`` is the story.
"""
