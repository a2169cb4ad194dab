"""Whether a domain leads to this host, so that a CA can validate it here: asked in the background, remembered for a while.

Where it cannot be told, it is not ordered for: every failed validation counts against the domain at the CA.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from reconciler.certs.deciding import NOT_CHECKED
from reconciler.certs.probing import addresses_of, fingerprint_at, is_own_address
from reconciler.ports.clock import Clock

_LASTS_S = 300.0
_LASTS_WHEN_BAD_S = 15.0
_AT_ONCE = 4
_HTTPS = 443

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Here:
    """What is known of this host. ``addresses``: those that lead here although no interface has them (NAT), as
    ``host.yaml`` names them. ``fingerprint``: of the certificate that we show for names that nobody has one for."""

    addresses: frozenset[str]
    fingerprint: str


def why_not_here(domain: str, here: Here) -> str:
    """ "" where a CA that looks the domain up arrives at this host. Blocks: asks the resolver, and knocks where it must."""
    found = sorted(addresses_of(domain))  # many resolvers turn them round at each look
    if not found:
        return f"{domain} does not resolve; create its A or AAAA record. It is looked up again by itself"
    elsewhere = [address for address in found if not (address in here.addresses or is_own_address(address))]
    elsewhere = [address for address in elsewhere if fingerprint_at(address, _HTTPS, _NOBODY) != here.fingerprint]
    if not elsewhere:
        return ""
    return (
        f"{domain} resolves to {', '.join(elsewhere)}, which is not this host; mend its A and AAAA records, or, where "
        "these addresses lead here through a router that this host cannot reach itself by, list them under "
        "certs.addresses in host.yaml. It is looked up again by itself"
    )


_NOBODY = "nobody.invalid"  # a name that only the certificate for all other names can answer for


class Reach:
    """``news``: called from another thread when an answer differs from the last one."""

    def __init__(
        self, clock: Clock, news: Callable[[], None], why_not: Callable[[str, Here], str] = why_not_here
    ) -> None:
        self._clock = clock
        self._news = news
        self._why_not = why_not
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="reach")
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, str]] = {}  # until when, and why not
        self._asking: set[str] = set()

    def why_not(self, domains: Iterable[str], here: Here) -> Mapping[str, str]:
        """The last answers; what is not known, or old, is asked for meanwhile. Of other domains nothing is remembered."""
        now = self._clock.monotonic()
        found = {}
        domains = tuple(domains)
        with self._lock:
            self._known = {domain: known for domain, known in self._known.items() if domain in domains}
            for domain in domains:
                until, answer = self._known.get(domain, (0.0, NOT_CHECKED))
                found[domain] = answer
                if now >= until and domain not in self._asking:
                    self._asking.add(domain)
                    self._pool.submit(self._ask, domain, here)
        return found

    def due_in_s(self) -> float | None:
        """Until the first answer is old, so that it is worth asking again; None if nothing was asked."""
        now = self._clock.monotonic()
        with self._lock:
            waits = [until - now for domain, (until, _) in self._known.items() if domain not in self._asking]
        return max(0.0, min(waits)) if waits else None

    def settled(self) -> bool:
        """Nothing is being asked."""
        with self._lock:
            return not self._asking

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, domain: str, here: Here) -> None:
        try:
            answer = self._why_not(domain, here)
        except Exception:
            log.exception("domain_not_looked_up", domain=domain)
            answer = f"{domain} could not be looked up, the log says why. It is looked up again by itself"
        lasts = _LASTS_WHEN_BAD_S if answer else _LASTS_S
        with self._lock:
            before = self._known.get(domain, (0.0, NOT_CHECKED))[1]
            self._known[domain] = (self._clock.monotonic() + lasts, answer)
            self._asking.discard(domain)
        if answer != before:
            self._news()
