"""Backups: when one is due, how it is made and proven, which may go, and how one is restored.

Here belongs all that knows what a backup is. What a database is, only the scripts in hooks/<engine>/ know.
"""
