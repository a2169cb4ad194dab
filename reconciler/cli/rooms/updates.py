"""How the updates' room is made of a root's parts, and which stacks it looks for."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.cli.wiring import Parts
    from reconciler.model.updates import ImageRecord
    from reconciler.updates.keeper import Keeper, Tracked
    from reconciler.updates.lookout import Lookout
    from reconciler.updates.writing import WriteBacks


def keeper(parts: Parts) -> Keeper:
    from reconciler.model.event import Event, Trigger
    from reconciler.updates.keeper import Keeper
    from reconciler.updates.registry import HttpRegistry

    registry = HttpRegistry(parts.clock)
    parts.at_end(registry.close)

    def wants_pass(stack: str, why: str) -> None:
        parts.on_wish(Event(Trigger.REGISTRY, stack, why))

    return Keeper(registry, parts.journal.updates, parts.journal, parts.clock, wants_pass)


def lookout(parts: Parts) -> Lookout:
    from reconciler.updates.lookout import Lookout
    from reconciler.updates.writing import WriteBacks

    write_backs = WriteBacks(parts.source, parts.journal.updates, parts.journal, parts.clock)
    return Lookout(lambda: parts.updates, lambda: _tracked(parts), lambda: _write_back(parts, write_backs))


def look_ahead(parts: Parts, stacks: Collection[str]) -> tuple[tuple[ImageRecord, ImageRecord | None], ...]:
    """What a look at the registries would find now, and what is known; ``desire`` then is what would come of it."""
    assert parts.ahead is not None, "made before desire is asked for"
    known = {(record.stack, record.service): record for record in parts.journal.updates.images()}
    mine = (tracked for tracked in _tracked(parts) if tracked.stack in stacks)
    found = [record for tracked in mine for record in parts.updates.preview(tracked)]
    parts.ahead.lay_over(found)
    return tuple((record, known.get((record.stack, record.service))) for record in found)


def _tracked(parts: Parts) -> Iterator[Tracked]:
    """The stacks that track images, as Git has them now. One that cannot be rendered is told of by its pass."""
    from reconciler.model.errors import ReconcilerError
    from reconciler.updates.keeper import Tracked

    tip = parts.source.tip()
    if tip is None:
        return
    known = {record.stack for record in parts.journal.updates.images()}
    for manifest in parts.desire.stacks(tip).manifests:
        if manifest.updates.images:
            with suppress(ReconcilerError):
                declared = parts.desire.declared_images(manifest, tip)
                yield Tracked(manifest.name, manifest.updates, declared)
        elif manifest.name in known:
            yield Tracked(manifest.name, manifest.updates, {})  # it tracks none any more


def _write_back(parts: Parts, write_backs: WriteBacks) -> float:
    from reconciler.updates.writing import Written

    tip = parts.source.tip()
    if tip is None or not any(found.updates.write_back for found in parts.desire.stacks(tip).manifests):
        return float("inf")
    return write_backs.turn(
        Written(manifest, release, frozenset(parts.desire.process_environment(manifest, tip)))
        for release, manifest in parts.applied()
        if manifest.updates.write_back
    )
