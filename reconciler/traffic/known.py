"""The Traefiks of this host: those of what runs, as it was last proven, and those of a release itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from reconciler.model.desired import Release
from reconciler.planning.proxies import Proxy, proxies_of

Applied = Callable[[], Iterable[tuple[str, int]]]
Load = Callable[[str, int], Release | None]


class KnownProxies:
    """``applied``: stacks that run, each with its release's number; ``load``: a kept release; ``folder_of``: a stack's
    ``RECONCILER_TRAEFIK_DIR``. A kept release never changes, so each is read once. Safe to use from several threads."""

    def __init__(self, applied: Applied, load: Load, folder_of: Callable[[str], str]) -> None:
        self._applied = applied
        self._load = load
        self._folder_of = folder_of
        self._lock = threading.Lock()
        self._known: dict[str, tuple[int, tuple[Proxy, ...]]] = {}

    def serving(self, release: Release) -> tuple[Proxy, ...]:
        """Those that may lead to services of ``release``."""
        others = (self._of(stack, number) for stack, number in self._applied() if stack != release.stack)
        own = proxies_of(release, self._folder_of(release.stack))
        return (*own, *(proxy for found in others for proxy in found if proxy.front.sees_others))

    def running(self, stack: str) -> tuple[Proxy, ...]:
        """Those of the stack that run."""
        return next((self._of(name, number) for name, number in self._applied() if name == stack), ())

    def _of(self, stack: str, number: int) -> tuple[Proxy, ...]:
        with self._lock:
            known = self._known.get(stack)
        if known is None or known[0] != number:
            release = self._load(stack, number)
            known = number, proxies_of(release, self._folder_of(stack)) if release is not None else ()
            with self._lock:
                self._known[stack] = known
        return known[1]
