"""The ``UpdateBook`` of somebody who only looks: what registries say now counts, and nothing of it is written down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.model.updates import ImageRecord
from reconciler.ports.books import UpdateBook


class Preview:
    """``book``: what is known; answers of a look that is made ahead of time are laid over it."""

    def __init__(self, book: UpdateBook) -> None:
        self._book = book
        self._found: dict[tuple[str, str], ImageRecord] = {}

    def lay_over(self, found: Iterable[ImageRecord]) -> None:
        self._found.update({(record.stack, record.service): record for record in found})

    def images(self, stack: str | None = None) -> tuple[ImageRecord, ...]:
        known = {(record.stack, record.service): record for record in self._book.images(stack)}
        laid_over = {key: record for key, record in self._found.items() if stack in (None, key[0])}
        return tuple({**known, **laid_over}.values())

    def save_image(self, record: ImageRecord) -> None: ...

    def forget_images(self, stack: str, keep: Sequence[str]) -> None: ...
