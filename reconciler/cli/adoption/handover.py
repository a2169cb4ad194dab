"""An adopter with all it needs, for as long as one command runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.adapters.clock import SystemClock
from reconciler.adapters.docker_engine.projects import Projects
from reconciler.adoption.adopter import Adopter
from reconciler.adoption.book import Book
from reconciler.adoption.cron import Cron
from reconciler.adoption.old import Old
from reconciler.cli import output
from reconciler.cli.adoption.successor import Successor
from reconciler.cli.wiring import Leaving, opened
from reconciler.layout import Layout


def book_of(layout: Layout) -> Book:
    return Book(layout.adoption, layout.staging)


@contextmanager
def adopter(
    layout: Layout, stack: str, level: int, leaving: Leaving, *, dumps: bool = True, mend: bool = True
) -> Iterator[Adopter]:
    """``mend``: as Parts have it; for the holder of the root's lock."""
    with opened(layout, log_level=level, mend=mend, leaving=leaving) as parts:
        yield Adopter(
            layout=layout,
            book=book_of(layout),
            cron=Cron(layout.staging),
            old=Old(parts.engine, Projects()),
            stack=Successor(layout, stack, level, leaving, dumps),
            clock=SystemClock(leaving.asked),
            progress=output.progress,
            stop=leaving,
        )
