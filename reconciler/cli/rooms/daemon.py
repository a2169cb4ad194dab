"""How the daemon is made of a root's parts, and what wakes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.certs.trouble import Trouble
from reconciler.certs.vigil import Vigil
from reconciler.daemon.daemon import Daemon
from reconciler.model.event import Event, Trigger
from reconciler.model.remote import Transport, parse_remote
from reconciler.planning.upstreams import PREFIX
from reconciler.triggers import ENVIRONMENT_FILES, FolderWatcher, RefWatcher, stack_of_env_file, stack_of_upstreams

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.ports.engine import Progress


def daemon(parts: Parts, progress: Progress) -> Daemon:

    settings, host = parts.settings, parts.host(progress)
    parts.traffic.clear_leftovers()
    vigil = Vigil(parts.certificates, parts.clock, Trouble(parts.journal, parts.clock))
    interval_s, concurrency = settings.source.interval_s, settings.concurrency
    made = Daemon(host, parts.engine, parts.clock, interval_s, concurrency, vigil, parts.backups, parts.lookout)
    parts.on_news, parts.on_wish = vigil.wake, made.emit
    return made


def watchers(parts: Parts, emit: Callable[[Event], None]) -> tuple[RefWatcher | FolderWatcher, ...]:
    """A repository on this host, ``env/``, ``certs/``, the mounted objects and what proxies are told: a change is a
    reason to look again."""
    env = FolderWatcher(parts.layout.env, emit, Trigger.ENVIRONMENT, stack_of_env_file, ENVIRONMENT_FILES)
    objects = FolderWatcher(parts.layout.objects, emit, Trigger.OBJECT, lambda _: None)
    certs = FolderWatcher(parts.layout.certs, lambda _: parts.on_news(), Trigger.CERTIFICATE, lambda _: None)
    told = FolderWatcher(parts.layout.traefik, emit, Trigger.UPSTREAMS, stack_of_upstreams, f"{PREFIX}*.yml")
    remote = parse_remote(parts.settings.source.url)
    if remote.transport is not Transport.LOCAL:
        return (env, certs, objects, told)
    return (RefWatcher(Path(remote.path), emit), env, certs, objects, told)
