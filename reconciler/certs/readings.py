"""What lies in ``certs/`` and what each pair of it reads as. Reads again only what changed; judges nothing against the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.certs.folder import DropFolder
from reconciler.certs.model import DroppedFile, Reading
from reconciler.certs.reading.grouping import group


class Readings:
    def __init__(self, folder: DropFolder) -> None:
        self._folder = folder
        self._known: dict[str, tuple[tuple[DroppedFile, ...], Reading]] = {}

    def read(self, now: float) -> Mapping[str, Reading]:
        """By the pair's name, as of ``now`` (seconds since the epoch)."""
        files = group(self._folder.read())
        self._known = {name: (own, self._reading(name, own, now)) for name, own in files.items()}
        return {name: reading for name, (_, reading) in self._known.items()}

    def quiet_s(self, now: float) -> Mapping[str, float]:
        """Since the last change of a pair's files, as they were read last."""
        return {name: now - _changed_at(files) for name, (files, _) in self._known.items()}

    def tries(self) -> Iterator[tuple[str, str]]:
        """Of each pair that lies there its fingerprint, and what tells this try from one with files that came later."""
        for files, reading in self._known.values():
            if reading.pair is not None:
                yield reading.pair.fingerprint, f"{reading.pair.fingerprint} {_changed_at(files)}"

    def _reading(self, name: str, own: tuple[DroppedFile, ...], now: float) -> Reading:
        """It holds until the files change, or time does what it waits for."""
        known = self._known.get(name)
        if known is not None and known[0] == own:
            reading = known[1]
            if reading.pair is not None and reading.pair.not_after > now:
                return reading
        from reconciler.certs.reading.pair import (
            read_pair,  # with cryptography: 14 MiB that hosts without pairs do not need
        )

        return read_pair(name, own, now)


def _changed_at(files: tuple[DroppedFile, ...]) -> float:
    return max(file.changed_at for file in files)
