"""The table of containers' live settings, as they were when we made them, in state.db. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from reconciler.adapters.journal import rows
from reconciler.adapters.journal.table import Table
from reconciler.model.observed import LiveSettings


class BaselineTable(Table):
    def baselines(self) -> Mapping[str, LiveSettings]:
        def read() -> Mapping[str, LiveSettings]:
            found = self._database.read(f"SELECT {rows.BASELINE} FROM baselines")
            return MappingProxyType({container: rows.settings_of(text) for container, _, text in found})

        return self._database.remembered(("baselines", ""), read)

    def save_baseline(self, container_id: str, stack: str, settings: LiveSettings) -> None:
        if self.baselines().get(container_id) != settings:
            self._put("baselines", rows.BASELINE, (container_id, stack, rows.settings_text(settings)))

    def forget_baselines(self, keep: frozenset[str]) -> None:
        gone = [(container,) for container in self.baselines() if container not in keep]
        if not gone:
            return
        with self._database.write() as connection:
            connection.executemany("DELETE FROM baselines WHERE container_id = ?", gone)
