"""ACME, as far as it is ours: for which domains Traefik may order, when, and what it holds. Orders nothing itself.

Traefik orders for every router that names a resolver and has no certificate, again at every change of its configuration;
and each proof by TLS-ALPN is such a change, so that two domains that fail keep each other ordering for ever (measured:
120 orders in 20 s). So a router is there for one domain at a time, and just long enough for an order to begin: what is
ordered is issued, served and renewed without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler import files
from reconciler.certs.acme import Held, Trial, given_up, held, last_words, next_trial, says_it_failed, without
from reconciler.certs.deciding import NOBODY_ORDERS, Decision, covering
from reconciler.certs.model import Pair
from reconciler.certs.reach import Here, Reach
from reconciler.certs.rendering import Order
from reconciler.certs.view import View, held_by
from reconciler.model.errors import ReconcilerError
from reconciler.model.observed import Takeover
from reconciler.model.record import TrialRecord
from reconciler.planning.fronts import Front
from reconciler.ports.books import CertificateBook
from reconciler.ports.engine import Engine

_MODE = 0o600
_LOG_LINES = 200
_ASKED_FOR_S = 2.5  # an order was seen to begin within 1.8 s
_WILDCARD = "a wildcard cannot be ordered by TLS-ALPN or HTTP-01; drop a pair for it"


class AcmeFiles:
    """Traefik's ACME files on this host, each read again only when it changed."""

    def __init__(self, staging: Path) -> None:
        self._staging = staging
        self._known: dict[str, tuple[tuple[int, ...], tuple[Held, ...]]] = {}

    def held(self, storage: str) -> tuple[Held, ...]:
        """Nothing where there is no such file yet, or where it cannot be read."""
        try:
            status = os.stat(storage)
            # Traefik writes in place: half of it has the time of the whole, but not its size.
            identity = (status.st_mtime_ns, status.st_ino, status.st_size)
            if self._known.get(storage, (None, ()))[0] != identity:
                self._known[storage] = (identity, held(Path(storage).read_bytes()))
        except OSError:
            return ()
        return self._known[storage][1]

    def guard(self, storage: str) -> bool:
        """Let nobody else read it: Traefik uses no file that others may read. True if that had to be mended."""
        try:
            if os.stat(storage).st_mode & 0o777 == _MODE:
                return False
            os.chmod(storage, _MODE)
        except OSError:
            return False
        return True

    def forget(self, storage: str, names: Iterable[str]) -> None:
        """While its Traefik is stopped: it keeps in memory what it has read. Raises WaitingError."""
        path, taken = Path(storage), frozenset(names)
        content = files.content_of(path)
        if content is None:
            return
        status = path.stat()
        pruned = without(content, lambda name: name in taken)
        files.put(path, pruned, self._staging, owner=(status.st_uid, status.st_gid), mode=_MODE)


@dataclass
class Ordering:
    """``trials``: by domain, where an order was made and has not led to a certificate. ``failures``: what the proxy said
    last of it. ``ended``: domains whose order under way failed, as the proxy said."""

    files: AcmeFiles
    reach: Reach
    book: CertificateBook
    engine: Engine
    failures: dict[str, str] = field(default_factory=dict)
    trials: dict[str, Trial] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    seen: Mapping[str, tuple[Held, ...]] = field(default_factory=dict)

    def load(self) -> None:
        self.trials = {
            record.domain: Trial(record.domain, record.attempts, record.began_at, record.next_at)
            for record in self.book.trials()
        }

    def holdings(self, view: View) -> Mapping[str, tuple[Held, ...]]:
        """By the place of the ACME file."""
        return {storage: self.files.held(storage) for storage in view.storages()}

    def holds_news(self, view: View) -> bool:
        """Whether what the proxies hold is not what it was when this was asked last."""
        before, self.seen = self.seen, self.holdings(view)
        return self.seen != before

    def possible(self, view: View, bare: Iterable[str], here: Here) -> Mapping[str, str]:
        """Of each of the domains ``bare``, "" where it may be ordered for or is held already, else why not."""
        holdings = self.holdings(view)
        found: dict[str, str] = {}
        to_ask = []
        for domain in bare:
            orderers = view.orderers(domain)
            if not orderers:
                found[domain] = NOBODY_ORDERS
            elif _held_for(domain, view, holdings) is not None or any(router.resolver for _, router in orderers):
                found[domain] = ""
            elif domain.startswith("*"):
                found[domain] = _WILDCARD
            else:
                to_ask.append(domain)
        return {**found, **self.reach.why_not(to_ask, here)}

    def advance(self, view: View, decision: Decision, now: float) -> None:
        """Begin, end and give up orders."""
        holdings = self.holdings(view)
        after: dict[str, Trial] = {}
        is_busy = False
        for trial in self._in_turn(decision, now):
            domain = trial.domain
            is_held = _held_for(domain, view, holdings) is not None
            found = next_trial(trial, is_held=is_held, has_failed=domain in self.ended, now=now)
            begins = trial.began_at is None and found.began_at is not None
            after[domain] = trial if begins and is_busy else found
            is_busy = is_busy or self._is_asked_for(after[domain], now)
        # What a pair covers for a while, or leads elsewhere for a while, has not become easier to order for.
        kept = {
            name: given_up(trial, now) for name, trial in self.trials.items() if name not in after and trial.attempts
        }
        if (after := {**kept, **after}) == self.trials:
            return
        self.trials = after
        self.book.save_trials(
            [TrialRecord(t.domain, t.attempts, t.began_at, t.next_at) for t in after.values() if t.attempts]
        )

    def _in_turn(self, decision: Decision, now: float) -> list[Trial]:
        """The one that is asked for now, then those that failed least often."""
        trials = (self.trials.get(domain, Trial(domain)) for domain in decision.acme)
        return sorted(trials, key=lambda trial: (not self._is_asked_for(trial, now), trial.attempts, trial.domain))

    def _is_asked_for(self, trial: Trial, now: float) -> bool:
        return trial.began_at is not None and now - trial.began_at < _ASKED_FOR_S and trial.domain not in self.ended

    def note_failures(self, view: View, decision: Decision) -> None:
        """While an order lasts: afterwards the proxy's log may have gone on."""
        self.ended = set()
        for domain in decision.acme:
            trial = self.trials.get(domain)
            if trial is None or trial.began_at is None:
                continue
            for front, _ in view.orderers(domain):
                log = self._log_of(front)
                if words := last_words(log, domain):
                    self.failures[domain] = words
                if says_it_failed(log, domain, trial.began_at):
                    self.ended.add(domain)

    def _log_of(self, front: Front) -> str:
        try:
            for found in self.engine.containers(front.stack):
                if found.running and found.is_ours_of(front.stack, front.service):
                    return self.engine.logs(found.id, _LOG_LINES)
        except ReconcilerError:
            return ""
        return ""

    def takeovers(self, front: Front, pairs: tuple[Pair, ...]) -> tuple[Takeover, ...]:
        """What the front holds for names that belong to ``pairs``."""
        found = []
        for resolver in front.resolvers:
            mine = [each for each in self.files.held(resolver.storage or "") if each.resolver == resolver.name]
            names = {
                name for each in mine if any(covering(own, pairs) for own in each.domains) for name in each.domains
            }
            if names and resolver.storage is not None:
                by = sorted({pair.name for name in names for pair in covering(name, pairs)})
                found.append(Takeover(front.service, resolver.storage, tuple(sorted(names)), tuple(by)))
        return tuple(found)

    def orders(self, view: View, decision: Decision, now: float) -> Mapping[Front, tuple[Order, ...]]:
        """Which routers each front gets."""
        found: dict[Front, dict[str, Order]] = {front: {} for front in view.fronts}
        for domain in decision.acme:
            if not self._is_asked_for(self.trials.get(domain, Trial(domain)), now):
                continue
            for front, router in view.orderers(domain):
                if not router.resolver and front.resolver is not None:
                    found[front][domain] = Order(domain, front.resolver.name, router.entry_points, router.options)
        return {front: tuple(orders.values()) for front, orders in found.items()}

    def held_of(self, view: View, domains: Iterable[str]) -> Mapping[str, Held]:
        holdings = self.holdings(view)
        found = {domain: _held_for(domain, view, holdings) for domain in domains}
        return {domain: one for domain, one in found.items() if one is not None}


def _held_for(domain: str, view: View, holdings: Mapping[str, tuple[Held, ...]]) -> Held | None:
    for front, _ in view.served.get(domain, ()):
        for found in held_by(front, holdings):
            if domain in found.domains:
                return found
    return None
