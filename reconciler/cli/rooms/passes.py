"""How passes over the stacks of a root are made of its parts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from reconciler.adapters.host_data import HostData
from reconciler.adapters.host_ports import HostPorts
from reconciler.adapters.http_asks import HttpAsks
from reconciler.cli import preflight
from reconciler.cli.rooms.actions import renewing
from reconciler.cli.rooms.traffic import leads_others
from reconciler.execution.books import Books
from reconciler.execution.execute import Executor
from reconciler.execution.observe import Observer
from reconciler.execution.report import Report
from reconciler.execution.roster import Roster
from reconciler.execution.stage import Stage
from reconciler.execution.tidying import Tidier
from reconciler.execution.walk import Hands
from reconciler.host import Assembly, Host
from reconciler.loop import StackLoop

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.ports.engine import Progress


def host(parts: Parts, progress: Progress) -> Host:
    books = Books(parts.journal, parts.shelf, parts.desire, parts.clock, preflight.gate_of(parts).hold)
    report = Report(books, parts.journal, parts.shelf, parts.clock)
    observer = Observer(parts.engine, parts.journal, parts.objects, parts.certificates, parts.traffic)
    stage = Stage(books, observer, _executor(parts))
    assembly = Assembly(
        settings=parts.settings,
        source=parts.source,
        journal=parts.journal,
        shelf=parts.shelf,
        roster=Roster(
            source=parts.source,
            journal=parts.journal,
            shelf=parts.shelf,
            desire=parts.desire,
            rendered=books.rendered,
            stop=parts.leaving,
            progress=progress,
        ),
        books=books,
        stage=stage,
        loop=StackLoop(stage, report, parts.hook_keeping, parts.data_keeping),
        hooks=parts.hook_keeping,
        providing=parts.providing,
        renewing=renewing(parts),
        tidier=Tidier(
            source=parts.source,
            objects=parts.objects,
            journal=parts.journal,
            images=parts.journal.images,
            shelf=parts.shelf,
            observer=observer,
            engine=parts.engine,
        ),
        clock=parts.clock,
        leads_others=partial(leads_others, parts),
    )
    return Host(assembly)


def _executor(parts: Parts) -> Executor:
    return Executor(
        Hands(
            engine=parts.engine,
            compose=parts.compose,
            journal=parts.journal,
            images=parts.journal.images,
            objects=parts.objects,
            data=HostData(),
            ports=HostPorts(),
            asks=HttpAsks(),
            certificates=parts.certificates,
            clock=parts.clock,
            hooks=parts.hook_keeping,
            traffic=parts.traffic,
            restores=parts.data_keeping,
        )
    )
