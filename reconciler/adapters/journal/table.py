"""What every table of state.db does alike. Knows no table by name and no record."""

from __future__ import annotations

from reconciler.adapters.journal.database import Database
from reconciler.adapters.journal.rows import Row


class Table:
    """Every write is one transaction, durable when the call returns. Raises what the journal raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _write(self, sql: str, values: Row) -> None:
        with self._database.write() as connection:
            connection.execute(sql, values)

    def _put(self, table: str, columns: str, values: Row) -> None:
        """In place of the row with the same key, if there is one."""
        self._write(f"REPLACE INTO {table} ({columns}) VALUES ({', '.join('?' for _ in values)})", values)
