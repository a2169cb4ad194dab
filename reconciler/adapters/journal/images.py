"""The table of images that this root brought to the host: the ``ImageBook`` port. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.adapters.journal.table import Table


class ImageTable(Table):
    def brought(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for image_id, name in self._database.read("SELECT id, name FROM images ORDER BY id, name"):
            found[image_id] = found.get(image_id, frozenset()) | {name}
        return found

    def save_brought(self, image_id: str, name: str) -> None:
        self._write("INSERT OR IGNORE INTO images (id, name) VALUES (?, ?)", (image_id, name))

    def forget_brought(self, image_id: str) -> None:
        self._write("DELETE FROM images WHERE id = ?", (image_id,))
