"""How the backups' room is made of a root's parts, and how a release passes by its gate."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.backup.keeper import Keeper
    from reconciler.cli.wiring import Parts
    from reconciler.model.hook import BackupGate
    from reconciler.model.hook_call import HookCall, HookEnd


def keeper(parts: Parts) -> Keeper:
    from reconciler.backup.containers import Containers
    from reconciler.backup.engines import scripts_of
    from reconciler.backup.keeper import Keeper
    from reconciler.backup.kit import Kit, Stop
    from reconciler.backup.making import Maker
    from reconciler.backup.proving import Prover
    from reconciler.backup.restoring import Restorer
    from reconciler.backup.sealing import Sealing
    from reconciler.backup.standstill import Standstill

    clock, root_id = parts.clock, parts.journal.root_id()
    sealing = Sealing(parts.layout.age_identity)
    standstill = Standstill(parts.engine, lambda stack, service: _dependents(parts, stack, service))

    def maker(stop: Stop) -> Maker:
        containers = Containers(root_id, stop)
        return Maker(containers, Prover(containers, clock, stop, sealing), clock, standstill, sealing)

    containers = Containers(root_id, parts.leaving)
    return Keeper(
        Kit(
            root_id=root_id,
            engine=parts.engine,
            containers=containers,
            maker=maker,
            restorer=Restorer(containers, standstill, clock, parts.leaving, sealing),
            journal=parts.journal,
            book=parts.journal.backups,
            clock=clock,
            stop=parts.leaving,
            folder_of=parts.layout.backups_of,
            data_of=lambda stack: parts.layout.data / stack,
            engines=lambda name: scripts_of(name, lambda name: _own_engine(parts, name)),
            kept_releases=parts.settings.kept_releases,
        )
    )


def pass_gate(parts: Parts, gate: BackupGate, call: HookCall) -> HookEnd:
    from reconciler.execution.around import Around
    from reconciler.execution.hooks import scene_of

    newest = next((found.id for found in parts.journal.passes(call.attempt.stack, 1)), 0)
    around = Around(parts.hook_keeping, parts.clock, lambda: scene_of(call), lambda: newest)
    return parts.backups.pass_gate(gate, call, around)


def _own_engine(parts: Parts, name: str) -> Mapping[str, bytes]:
    """The files of the repository's hooks/<name>/, as of the last fetched tip."""
    from reconciler.model.source import EntryKind

    tip = parts.source.tip()
    entries = {} if tip is None else parts.tree.entries(tip)
    return {
        posixpath.basename(path): parts.tree.read(entry.object_id)
        for path, entry in entries.items()
        if posixpath.dirname(path) == f"hooks/{name}" and entry.kind in (EntryKind.FILE, EntryKind.EXECUTABLE)
    }


def _dependents(parts: Parts, stack: str, service: str) -> tuple[str, ...]:
    """The services of what runs that depend on ``service``, those that depend on the others first."""
    record = parts.journal.stack(stack)
    number = record.applied_release if record else None
    release = None if number is None else parts.shelf.load(stack, number)
    found: list[str] = []
    ahead = [service]
    while ahead and release is not None:
        name = ahead.pop(0)
        users = [spec.name for spec in release.services if any(d.service == name for d in spec.depends_on)]
        found = [*users, *(known for known in found if known not in users)]
        ahead += [user for user in users if user != service and user not in ahead]
    return tuple(found)
