"""state.db, the one SQLite file: what is remembered, and what the command line asks of the daemon.

Here belongs what reads or writes that file, from its schema to the ``Journal`` port. A folder and not a file, since
adapters do not know of each other, but the parts of this one must.
"""

from reconciler.adapters.journal.store import SqliteJournal

__all__ = ["SqliteJournal"]
