"""The proof that a Traefik has read a file: it is asked until it answers the file's mark, nudged once, and given up then."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import structlog

from reconciler.model.errors import WaitingError
from reconciler.model.observed import State
from reconciler.planning.fronts import EntryPoint
from reconciler.planning.proxies import Proxy
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Engine

_POLL_S = 0.01
_POLL_LATER_S = 0.1  # once the quick ones had their chance
_QUICK_S = 2.0
_PATIENCE_S = 10.0  # one that is just starting needs some seconds on a busy host
_HOST = "127.0.0.1"
_LOG_LINES = 200
_LONGEST = 400
_OF_FILES = re.compile(r"(?i)(?=.*error)(?=.*providername\W+file\b)")

Ask = Callable[[str, int, str, bool], bool | None]  # address, port, path, whether by TLS

log = structlog.get_logger()


class Confirmation:
    """Remembers at which entry point each Traefik has answered."""

    def __init__(self, engine: Engine, clock: Clock, ask: Ask) -> None:
        self._engine = engine
        self._clock = clock
        self._ask = ask
        self._answers: dict[Proxy, EntryPoint] = {}

    def await_read(self, proxy: Proxy, points: Sequence[EntryPoint], path: str) -> None:
        """Of one that does not run there is nothing to wait for: it reads when it starts, and nobody is served meanwhile."""
        began, nudged = self._clock.monotonic(), False
        patience_s = max(_PATIENCE_S, 2 * proxy.front.throttle_s + 2.0)
        left = self._running(proxy)
        while True:
            left = tuple(one for one in left if not self._has_read(proxy, points, one, path))
            waited_s = self._clock.monotonic() - began
            if not left:
                return
            if waited_s > patience_s:
                running = self._running(proxy)
                left = tuple(one for one in left if one in running)
                if left:
                    raise _unread(proxy, patience_s, self._complaint(left[0]))
                return
            if waited_s > patience_s / 2 and not nudged:
                nudged = True
                self._answers.pop(proxy, None)  # something else may have taken that entry point since
                self._nudge(left)
            self._clock.sleep(_POLL_S if waited_s < _QUICK_S else _POLL_LATER_S)

    def _has_read(self, proxy: Proxy, points: Sequence[EntryPoint], container: str, path: str) -> bool:
        """Where it answered last; everywhere, if it does not answer there any more or has not yet."""
        known = self._answers.get(proxy)
        if known is not None and (found := self._asked(proxy, known, container, path)) is not None:
            return found
        for point in points:
            if self._asked(proxy, point, container, path):
                self._answers[proxy] = point
                return True
        return False

    def _asked(self, proxy: Proxy, point: EntryPoint, container: str, path: str) -> bool | None:
        address = _HOST if proxy.front.on_host else self._engine.address(container)
        found = self._ask(address, point.port, path, point.tls) if address else None
        published = dict(proxy.front.published).get(point.port)
        if found is None and published is not None:
            found = self._ask(_HOST, published, path, point.tls)
        return found

    def _nudge(self, containers: Iterable[str]) -> None:
        """SIGHUP: Traefik then reads its files again, whatever its watch has missed."""
        for container in containers:
            log.info("proxy_nudged", container=container[:12])
            self._engine.signal(container, "SIGHUP")

    def _complaint(self, container: str) -> str:
        """What it said last of files; it names the one that it cannot read."""
        lines = self._engine.logs(container, _LOG_LINES).splitlines()
        return next((line.strip()[:_LONGEST] for line in reversed(lines) if _OF_FILES.search(line)), "")

    def _running(self, proxy: Proxy) -> tuple[str, ...]:
        return tuple(
            found.id
            for found in self._engine.containers(proxy.front.stack)
            if found.state is State.RUNNING and found.is_ours_of(proxy.front.stack, proxy.front.service)
        )


def _unread(proxy: Proxy, patience_s: float, complaint: str) -> WaitingError:
    where = f": {complaint}" if complaint else ", that names a file of ${RECONCILER_TRAEFIK_DIR} which it cannot read"
    return WaitingError(
        f"the Traefik {proxy.front.place} runs and has not read within {patience_s:g}s whom to send requests to, so nothing is "
        f"stopped; see its log{where}; and that --providers.file.directory is where that is mounted. It is tried again by itself",
        reason="TrafficNotShifted",
    )
