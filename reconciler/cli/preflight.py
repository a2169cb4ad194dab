"""Wires the preflight's room: what it looks through, its gate before first releases, and the subjects of ``check``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import host_looks
from reconciler.cli.errors import told
from reconciler.model.errors import ReconcilerError
from reconciler.preflight import looks
from reconciler.preflight.facts import Capacity, Disk, Publisher
from reconciler.preflight.finding import Finding, Level, judged
from reconciler.preflight.stack import Eyes, Subject, machine_findings, network_looks, port_findings
from reconciler.preflight.together import Look, together

if TYPE_CHECKING:
    from reconciler.certs.model import Pair
    from reconciler.cli.wiring import Parts
    from reconciler.execution.work import Work
    from reconciler.host import Host
    from reconciler.layout import Layout
    from reconciler.model.desired import Release
    from reconciler.preflight.gate import Gate

_TOOL_S = 15.0
_WANTED_FILES = "files that Compose can make a stack of, and the variables that they need"


def host_findings(parts: Parts) -> Iterator[Finding]:
    """Of the host itself. The clock comes last: it is held against the commit that the source gives."""
    layout = parts.layout
    yield host_looks.settings(parts)
    yield host_looks.root(layout)
    yield host_looks.secrets(parts)
    yield from host_looks.disks(layout, _engine_folder())
    timeout_s = _source_limit_s(parts)
    for part in ("journal", "source", "compose"):
        with suppress(ReconcilerError, click.ClickException):
            getattr(parts, part)  # made by one thread
    yield from together(
        (
            Look("engine", lambda: (host_looks.engine(),), _TOOL_S, Level.ERROR),
            Look("compose", lambda: (host_looks.compose(parts),), _TOOL_S, Level.ERROR),
            Look("git", lambda: (host_looks.git(),), _TOOL_S, Level.ERROR),
            Look("source", lambda: (host_looks.source(parts),), timeout_s, Level.ERROR),
        )
    )
    yield from together((Look("clock", lambda: (host_looks.clock(parts),), _TOOL_S),))


def _source_limit_s(parts: Parts) -> float:
    try:
        return parts.settings.source.timeout_s + _TOOL_S
    except (ReconcilerError, click.ClickException):
        return _TOOL_S


def stack_findings(parts: Parts, host: Sequence[Finding]) -> Iterator[Finding]:
    """Of each stack of this host as Git says it now. Nothing where the host itself keeps them from being read."""
    needed = {"host.yaml", "root", "compose", "source"}
    if any(not finding.ok for finding in host if finding.name in needed):
        return
    try:
        reader = parts.host(lambda _: None)
        works = [work for work in reader.works() if not work.gone]
    except ReconcilerError as error:
        yield judged("stacks", "they cannot be read", "stacks that can be read", told(error))
        return
    if not works:
        mend = "see source.path and stacks: in host.yaml, or commit one"
        yield judged("stacks", "none for this host", "at least one stack", mend, Level.WARNING)
    releases = {work.name: _rendered(reader, work) for work in works}
    sound = [release for release in releases.values() if not isinstance(release, Finding)]
    for work in works:
        yield from _of_stack(parts, work, releases[work.name], sound)


def _rendered(reader: Host, work: Work) -> Release | Finding:
    try:
        return reader.release(work)
    except ReconcilerError as error:
        problems = work.mask.clean(told(error))
        return judged("files", "they cannot be used as they are", _WANTED_FILES, problems, stack=work.name)


def _of_stack(parts: Parts, work: Work, release: Release | Finding, sound: Sequence[Release]) -> Iterator[Finding]:
    """A release that could not be made is a finding instead: what the stack requires is known all the same."""
    eyes, record = eyes_of(parts), parts.journal.stack(work.name)
    is_used = record is not None and record.applied_release is not None
    try:
        if isinstance(release, Finding):
            yield release
            yield from machine_findings(work.manifest, eyes, is_used=is_used)
            return
        yield judged("files", _services(release), _WANTED_FILES, "", stack=work.name)
        found = subject(parts, work, release, sound, parts.journal.root_id())
        yield from machine_findings(work.manifest, eyes, is_used=is_used)
        yield from port_findings(found, eyes)
        yield from together(network_looks(found, eyes))
    except (ReconcilerError, OSError) as error:
        yield judged("engine", "it did not answer", "its machine and ports", str(error), stack=work.name)


def _services(release: Release) -> str:
    return f"{len(release.services)} service{'' if len(release.services) == 1 else 's'}"


def eyes_of(parts: Parts) -> Eyes:
    from reconciler.adapters.host_ports import HostPorts

    ports, own = HostPorts(), parts.settings.certificates.addresses
    return Eyes(
        capacity=_capacity,
        disks=lambda: _disks(parts.layout),
        is_taken=lambda port: bool(ports.taken((port,))),
        publishers=_publishers,
        listener=looks.listener,
        domain=lambda name: looks.domain(name, own),
        why_unreachable=looks.why_unreachable,
        pairs=lambda: pairs_of(parts.layout),
    )


def gate_of(parts: Parts) -> Gate:
    """Closed with the parts, before the journal that it tells."""
    from reconciler.preflight.gate import Gate

    root, journal = parts.journal.root_id(), parts.journal  # opened first, so closed last

    def subject_of(work: Work, release: Release) -> Subject:
        return subject(parts, work, release, (*(found for found, _ in parts.applied()), release), root)

    gate = Gate(eyes_of(parts), subject_of, journal, parts.clock)
    parts.at_end(gate.close)
    return gate


def subject(parts: Parts, work: Work, release: Release, beside: Sequence[Release], root: str) -> Subject:
    """``beside``: every release that this host serves, or is to serve."""
    from reconciler.certs.view import view_of

    return Subject(
        manifest=work.manifest,
        release=release,
        view=view_of(beside, lambda stack: str(parts.layout.traefik_of(stack))),
        root=root,
        variables=work.variables,
    )


def _capacity() -> Capacity:
    """Raises EngineUnavailableError."""
    from reconciler.adapters.docker_engine.machine import engine_machine

    found = engine_machine()
    return Capacity(found.cpus, found.memory)


def _disks(layout: Layout) -> tuple[Disk, ...]:
    """That of the root, and that of the engine's images where it is another one."""
    own = looks.disk(layout.root)
    folder = _engine_folder()
    found = (own, looks.disk(Path(folder))) if folder else (own,)
    return found if len({(disk.free, disk.size) for disk in found}) > 1 else (own,)


@lru_cache(maxsize=1)
def _engine_folder() -> str:
    from reconciler.adapters.docker_engine.machine import engine_machine
    from reconciler.model.errors import ReconcilerError

    try:
        return engine_machine().folder
    except ReconcilerError:
        return ""


def _publishers() -> tuple[Publisher, ...]:
    from reconciler.adapters.docker_engine.machine import published

    return tuple(Publisher(found.name, found.project, found.root, found.ports) for found in published())


def pairs_of(layout: Layout) -> tuple[Pair, ...]:
    """Those of ``certs/`` that can be served now."""
    from reconciler.certs.folder import DropFolder
    from reconciler.certs.reading.pair import group, read_pair

    now = time.time()
    readings = (read_pair(name, files, now) for name, files in group(DropFolder(layout.certs).read()).items())
    return tuple(found.pair for found in readings if found.pair is not None)
