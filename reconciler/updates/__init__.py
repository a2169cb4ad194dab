"""Newer images: when a registry is asked, what of its answer is taken, and what is written back to Git.

Here belongs all that knows what a registry is. When a release may begin is decided in ``planning.gate``.
"""
