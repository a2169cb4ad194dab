"""One pass over the certificates: read what lies in ``certs/``, decide, publish, prove, remember. The room on one screen.

Level-triggered like the pass over a stack: every pass compares anew, so what was interrupted anywhere is found again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.certs import telling
from reconciler.certs.chronicle import Chronicle
from reconciler.certs.consumers import Consumers
from reconciler.certs.deciding import Decision, Situation, covering, decide
from reconciler.certs.folder import DropFolder
from reconciler.certs.model import Pair
from reconciler.certs.ordering import Ordering
from reconciler.certs.proving import Proof, Prover
from reconciler.certs.publishing import Publisher
from reconciler.certs.reach import Here
from reconciler.certs.readings import Readings
from reconciler.certs.rendering import render
from reconciler.certs.serving import Serving
from reconciler.certs.vault import Kept, Vault
from reconciler.certs.view import View, view_of
from reconciler.model.desired import Release
from reconciler.model.manifest import Manifest
from reconciler.model.observed import Takeover
from reconciler.planning.certificate_uses import with_uses_that_are_seen
from reconciler.planning.fronts import fronts
from reconciler.ports.clock import Clock

RESCAN_S = 60.0
_A_WINDOW_S = 30.0  # longer than anything that is being found out takes
_POLL_ORDERS_S = 0.25

More = Callable[[bool], bool]
Stacks = Callable[[], Iterable[tuple[Release, Manifest]]]


def nothing_more(is_a_burst: bool) -> bool:
    """Whoever asks once has nothing to wait for."""
    return False


@dataclass(frozen=True, slots=True)
class Kit:
    """What a keeper works with.

    ``addresses``: those that lead here although no interface has them. ``stacks``: what runs, as it was last proven.
    ``folder_of``: what a stack's fronts mount. ``wants_pass``: a stack's pass has something to do for us, and why.
    """

    addresses: frozenset[str]
    folder: DropFolder
    vault: Vault
    publisher: Publisher
    prover: Prover
    ordering: Ordering
    consumers: Consumers
    chronicle: Chronicle
    clock: Clock
    stacks: Stacks
    folder_of: Callable[[str], str]
    wants_pass: Callable[[str, str], None]


class Keeper:
    """``turn`` is one pass; it may be called from any thread, one at a time goes."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._lock = threading.RLock()
        self._kept: Kept | None = None
        self._view: View | None = None
        self._uses: tuple[tuple[str, Manifest], ...] = ()
        self._wishes: dict[str, Manifest] = {}  # of stacks that wait for their first start
        self._by_name: Mapping[str, Pair] = {}
        self._fronts_show: Mapping[str, tuple[str, ...]] = {}
        self._readings = Readings(kit.folder)
        self._has_turned = False
        self._serving = Serving(kit.publisher, kit.prover, kit.ordering, kit.clock, kit.vault.default)
        self._asked_until: dict[tuple[str, str], float] = {}

    def turn(self, more: More = nothing_more) -> float:
        """Seconds until the next one makes sense by itself. Raises ReconcilerError where the disk or state.db refuses;
        then what was served is served.

        ``more``: whether files have changed again since it was asked last; while they do, what is known is read anew
        instead of being published, because what arrives together is one publication. Deciding takes its time anyway, so
        a single pair is not kept waiting.
        """
        with self._lock:
            if not self._has_turned:
                self._kit.publisher.clear_leftovers()
                self._has_turned = True
            view, kept = self._looked(), self._loaded()
            decision = self._decide(view, kept)
            while more(len(_new_pairs(decision, kept)) > 1):
                decision = self._decide(view, kept)
            served = self._serving.serve(view, decision, _new_pairs(decision, kept))
            if served.refuted:
                self._refuse(kept, served.refuted, served.proof)
                return 0.0
            self._kit.chronicle.complain(served.proof)
            self._remember(replace(kept, accepted={pair.name: pair for pair in decision.pairs}))
            self._see_to_orders(view, decision)
            self._consume(decision)
            self._tell(view, decision, served.proof)
            return self._due_in_s(decision)

    def renewed_at(self, manifest: Manifest) -> Mapping[str, float]:
        """When the pairs that services are replaced for last changed, by service: seconds since the epoch."""
        return self._kit.consumers.renewals.renewed_at(manifest)

    def stacks_changed(self) -> None:
        """A pass did something to a stack: names, proxies and their addresses may be others now."""
        with self._lock:
            self._view = None
            self._serving.prove_anew()

    def lay_out(self, release: Release, manifest: Manifest) -> None:
        """What the release's containers read of ours is there before they start. Raises WaitingError."""
        with self._lock:
            kept = self._loaded()
            view = view_of((release,), self._kit.folder_of)
            first = render(kept.accepted.values(), self._kit.vault.default()) if view.fronts else b""
            # What lies there stays; but whoever the front runs as from now on must be able to read it.
            self._kit.publisher.publish({front: self._kit.publisher.content(front) or first for front in view.fronts})
            for storage in view.storages():
                self._kit.ordering.files.guard(storage)
            if self._awaits(manifest):
                self._wishes[manifest.name] = manifest
                self.turn()
            self._kit.consumers.lay_out(manifest, self._usable())
            self._wishes.pop(manifest.name, None)

    def _awaits(self, manifest: Manifest) -> bool:
        usable = self._usable()
        return any(use.pair not in usable for use in manifest.certificates)

    def _usable(self) -> Mapping[str, Pair]:
        """What may be asked for by name, before the first turn as well."""
        return {**self._loaded().accepted, **self._by_name}

    def takeovers(self, release: Release) -> tuple[Takeover, ...]:
        """Names that ACME holds in a proxy of the release, and a pair has taken over. Reads only."""
        with self._lock:
            mine = fronts(release, self._kit.folder_of(release.stack))
            pairs = tuple(self._loaded().accepted.values()) if mine else ()
        return tuple(found for front in mine for found in self._kit.ordering.takeovers(front, pairs))

    def refuse(self, manifest: Manifest, service: str, why: str) -> None:
        """The service could not be replaced for its pair: what it read before lies there again. Raises WaitingError."""
        with self._lock:
            for said in self._kit.consumers.renewals.refuse(manifest, service, why):
                self._kit.chronicle.say(said, manifest.name)

    def forget(self, storage: str, names: Iterable[str]) -> None:
        """Raises WaitingError."""
        self._kit.ordering.files.forget(storage, names)

    def settled(self) -> bool:
        """Nothing is being found out or ordered, and nobody was told a moment ago. What waits for a window is not waited
        for."""
        due_s = self._kit.consumers.due_in_s
        is_idle = self._kit.ordering.reach.settled() and not self._is_ordering()
        return is_idle and (due_s is None or due_s > _A_WINDOW_S)

    def _is_ordering(self) -> bool:
        return any(trial.began_at is not None for trial in self._kit.ordering.trials.values())

    # The pass, in the order of its steps

    def _looked(self) -> View:
        if self._view is None:
            stacks = tuple(self._kit.stacks())
            self._view = view_of((release for release, _ in stacks), self._kit.folder_of)
            folder_of = self._kit.consumers.folder_of
            self._uses = tuple(
                (release.stack, with_uses_that_are_seen(manifest, release, folder_of)) for release, manifest in stacks
            )
            for storage in self._view.storages():
                if self._kit.ordering.files.guard(storage):
                    message = f"{storage} could be read by others, so Traefik would not use it; it is 0600 again"
                    self._kit.chronicle.say(telling.Said("error", "AcmeFileMended", message))
        return self._view

    def _loaded(self) -> Kept:
        if self._kept is None:
            self._kept = self._kit.vault.load()
            self._kit.ordering.load()
        return self._kept

    def _decide(self, view: View, kept: Kept) -> Decision:
        now = self._kit.clock.now()
        readings = self._readings.read(now)
        refused = {
            fingerprint: kept.refused[mark] for fingerprint, mark in self._readings.tries() if mark in kept.refused
        }
        pairs = [each.pair for each in readings.values() if each.pair and each.pair.fingerprint not in refused]
        pairs += [
            kept.accepted[name] for name in readings.keys() & kept.accepted.keys() - {pair.name for pair in pairs}
        ]
        bare = [domain for domain in view.domains if not _is_covered(domain, pairs, now)]
        situation = Situation(
            readings=readings,
            quiet_s=self._readings.quiet_s(now),
            accepted=kept.accepted,
            refused=refused,
            domains=view.domains,
            asked={use.pair: stack for stack, manifest in self._asking() for use in manifest.certificates},
            acme=self._kit.ordering.possible(view, bare, self._here(view)),
            now=now,
        )
        return decide(situation)

    def _asking(self) -> tuple[tuple[str, Manifest], ...]:
        return (*self._wishes.items(), *self._uses)

    def _here(self, view: View) -> Here:
        shown = self._kit.vault.default().fingerprint if view.fronts else ""
        return Here(self._kit.addresses, shown)

    def _refuse(self, kept: Kept, refuted: tuple[Pair, ...], proof: Proof) -> None:
        """They are not tried a second time until their files change."""
        places = ", ".join(sorted({f"{spot.domain} at {spot.front.place}" for spot in proof.wrong}))
        why = (
            f"it was published, and another certificate was still shown for {places}; the one before was put back. The log "
            "of the proxy may say why; it is tried again once its files change (copy them again)"
        )
        tries = dict(self._readings.tries())
        refused = {**kept.refused, **{tries[pair.fingerprint]: why for pair in refuted}}
        self._remember(replace(kept, refused=refused))
        for pair in refuted:
            self._kit.chronicle.say(telling.Said("error", "CertificateNotServed", f"{pair.name}: {why}"))

    def _remember(self, kept: Kept) -> None:
        if kept != self._kept:
            self._kit.vault.save(kept)
            self._kept = kept

    def _see_to_orders(self, view: View, decision: Decision) -> None:
        """Orders that begin or end now, and proxies that must forget what a pair has taken over."""
        self._kit.ordering.note_failures(view, decision)
        self._kit.ordering.advance(view, decision, self._kit.clock.now())
        self._serving.publish(view, decision)
        for front in view.fronts:
            for found in self._kit.ordering.takeovers(front, decision.pairs):
                self._ask_for_pass(front.stack, f"{', '.join(found.pairs)} took over {', '.join(found.names)}")

    def _ask_for_pass(self, stack: str, why: str) -> None:
        """Once for the same reason, and again after a while: a pass may be unable to do anything about it."""
        now = self._kit.clock.monotonic()
        if now >= self._asked_until.get((stack, why), 0.0):
            self._asked_until[stack, why] = now + RESCAN_S
            self._kit.wants_pass(stack, why)

    def _consume(self, decision: Decision) -> None:
        self._by_name = decision.by_name
        for stack, manifest in self._uses:
            for said in self._kit.consumers.turn(stack, manifest, self._by_name):
                self._kit.chronicle.say(said, stack)
            if self._kit.consumers.renewals.want_pass(stack, manifest):
                self._ask_for_pass(stack, "a certificate that it mounts changed")
        for stack, manifest in tuple(self._wishes.items()):
            if not self._awaits(manifest):
                del self._wishes[stack]
                self._ask_for_pass(stack, "the certificate that it waits for is there")

    def _tell(self, view: View, decision: Decision, proof: Proof) -> None:
        users_news = self._kit.consumers.sightings.news()
        facts = telling.Facts(
            decision=decision,
            held=self._kit.ordering.held_of(view, decision.acme),
            trials=self._kit.ordering.trials,
            failures=self._kit.ordering.failures,
            shown=self._seen(proof, users_news),
            now=self._kit.clock.now(),
            warn_before_s=self._kit.chronicle.settings.warn_before_s,
        )
        self._kit.chronicle.write(facts, proof)
        if users_news:
            news = telling.shown_by_users(decision.pairs, self._kit.consumers.sightings.shown(), users_news, facts.now)
            self._kit.chronicle.note_shown(tuple(news))

    def _seen(self, proof: Proof, users_news: set[str]) -> dict[str, tuple[str, ...]]:
        """Of what was looked at now, by fingerprint, all the services that showed it when they were looked at last."""
        fronts, users = self._shown(proof), self._kit.consumers.sightings.shown()
        self._fronts_show = fronts if proof.seen else self._fronts_show
        news = fronts.keys() | users_news
        return {found: (*self._fronts_show.get(found, ()), *users.get(found, ())) for found in news}

    @staticmethod
    def _shown(proof: Proof) -> dict[str, tuple[str, ...]]:
        found: dict[str, set[str]] = {}
        for spot in proof.right:
            found.setdefault(proof.seen[spot] or "", set()).add(spot.front.place)
        return {fingerprint: tuple(sorted(places)) for fingerprint, places in found.items()}

    def _due_in_s(self, decision: Decision) -> float:
        waits = [RESCAN_S]
        waits.extend(due for due in (decision.due_in_s, self._kit.consumers.due_in_s) if due is not None)
        if self._is_ordering():
            waits.append(_POLL_ORDERS_S)
        asked_again = self._kit.ordering.reach.due_in_s()
        if asked_again is not None:
            waits.append(max(asked_again, 1.0))
        now = self._kit.clock.now()
        waits.extend(t.next_at - now for t in self._kit.ordering.trials.values() if t.began_at is None and t.attempts)
        return max(0.01, min(waits))


def _is_covered(domain: str, pairs: Iterable[Pair], now: float) -> bool:
    return bool(covering(domain, [pair for pair in pairs if pair.not_after > now]))


def _new_pairs(decision: Decision, kept: Kept) -> tuple[Pair, ...]:
    before = {pair.fingerprint for pair in kept.accepted.values()}
    return tuple(pair for pair in decision.pairs if pair.fingerprint not in before)
