"""``reconciler run``: the daemon in the foreground, until a signal. Wires it to its watchers; decides nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from reconciler.cli import roots
from reconciler.cli.errors import FAILED
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.daemon.daemon import Daemon
    from reconciler.model.event import Event


@click.command(epilog="Example: reconciler --root /srv/reconciler run")
@click.pass_obj
def run(options: Options) -> int:
    """Keep the host equal to its repository, until SIGTERM or Ctrl-C.

    Stays in the foreground and logs to standard error: lines on a terminal, JSON otherwise. The first signal lets the
    step under way end and leaves; a second one leaves at once, and the next start goes on from there. A change of
    host.yaml counts from the next start on.
    """
    from reconciler.adapters.root_lock import RootLock
    from reconciler.cli.wiring import opened

    layout = roots.layout_of(options.root)
    level = level_of(options, tells_itself=False)
    with RootLock(layout.lock), opened(layout, log_level=level, mend=True) as parts:
        assert parts.settings  # what is wrong with them is said before anything is made
        roots.make_folders(layout)
        return _serve(parts)


def _serve(parts: Parts) -> int:
    from importlib.metadata import version

    import structlog

    from reconciler.cli.rooms import daemon as room
    from reconciler.cli.signals import leaving_on_signals
    from reconciler.supervision.notify import supervisor

    log = structlog.get_logger()
    supervised = supervisor(os.environ, parts.clock)
    daemon = room.daemon(parts, lambda text: log.info("progress", what=text))
    daemon.turned = supervised.beat
    crashed = threading.Event()

    def leave(why: str) -> None:
        parts.leaving.ask(why)
        log.info("leaving", why=why)
        supervised.stopping(why)
        daemon.leave(why)

    def leave_after_crash() -> None:
        crashed.set()
        leave("a thread crashed")

    with _crashes_told(leave_after_crash), leaving_on_signals(leave), _watching(parts, daemon):
        # Said when it is so: whoever waits for this line may send a signal at once.
        log.info("daemon_started", version=version("reconciler"), root=str(parts.layout.root), pid=os.getpid())
        daemon.run()
    log.info("daemon_left", why=daemon.leaving_because)
    return FAILED if crashed.is_set() else 0


@contextmanager
def _watching(parts: Parts, daemon: Daemon) -> Iterator[None]:
    from reconciler.cli.rooms import daemon as room

    watchers = room.watchers(parts, _unless_leaving(parts, daemon.emit))
    for watcher in watchers:
        watcher.start()
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.stop()


def _unless_leaving(parts: Parts, emit: Callable[[Event], None]) -> Callable[[Event], None]:
    return lambda event: None if parts.leaving.why else emit(event)


@contextmanager
def _crashes_told(leave: Callable[[], None]) -> Iterator[None]:
    """A daemon that no longer fetches, or no longer hears the engine, must not look alive: whoever supervises it
    starts it anew."""
    import structlog

    def told(crash: threading.ExceptHookArgs) -> None:
        name = crash.thread.name if crash.thread else ""
        info = (crash.exc_type, crash.exc_value or crash.exc_type(), crash.exc_traceback)
        structlog.get_logger().error("thread_crashed", thread=name, exc_info=info)
        leave()

    before, threading.excepthook = threading.excepthook, told
    try:
        yield
    finally:
        threading.excepthook = before
