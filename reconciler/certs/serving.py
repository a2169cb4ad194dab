"""From a decision to what is shown: published by one rename, proven by handshake, taken back where it is refuted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.certs.deciding import Decision, covering
from reconciler.certs.model import Pair
from reconciler.certs.ordering import Ordering
from reconciler.certs.proving import Proof, Prover
from reconciler.certs.publishing import Published, Publisher
from reconciler.certs.rendering import Default, Order, render
from reconciler.certs.view import Spot, View, held_by
from reconciler.ports.clock import Clock

_PROVE_EVERY_S = 300.0


@dataclass(frozen=True, slots=True)
class Served:
    """``refuted``: pairs that were published, and that no front shows; what was served before is served again."""

    proof: Proof
    refuted: tuple[Pair, ...] = ()


class Serving:
    """``default``: the certificate for names that no pair covers."""

    def __init__(
        self, publisher: Publisher, prover: Prover, ordering: Ordering, clock: Clock, default: Callable[[], Default]
    ) -> None:
        self._publisher = publisher
        self._prover = prover
        self._ordering = ordering
        self._clock = clock
        self._default = default
        self._prove_at = 0.0

    def prove_anew(self) -> None:
        """Proxies and their addresses may be others now."""
        self._prove_at = 0.0
        self._prover.forget()

    def serve(self, view: View, decision: Decision, new: tuple[Pair, ...]) -> Served:
        """``new``: pairs of the decision that were never accepted, also those that were published by one who was killed
        before the proof."""
        published = self.publish(view, decision)
        now = self._clock.monotonic()
        if self._ordering.holds_news(view):
            self._prove_at = 0.0
        if not published and not new and now < self._prove_at:
            return Served(Proof({}))
        self._prove_at = now + _PROVE_EVERY_S
        expected = self._expected(view, decision)
        proof = self._prover.prove(expected, is_news=bool(published or new))
        if proof.wrong:
            self._prover.nudge({spot.front for spot in proof.wrong})
            proof = self._prover.prove(expected, is_news=True)
        refuted = _refuted(proof, new)
        if refuted:
            self._publisher.take_back(published if refuted == new else Published({}))
        return Served(proof, refuted)

    def publish(self, view: View, decision: Decision) -> Published:
        """The fronts of a stack read one and the same file."""
        if not view.fronts:
            return Published({})
        default = self._default()
        orders = self._ordering.orders(view, decision, self._clock.now())
        by_stack: dict[str, dict[str, Order]] = {front.stack: {} for front in view.fronts}
        for front, own in orders.items():
            by_stack[front.stack] |= {order.domain: order for order in own}
        texts = {stack: render(decision.pairs, default, own.values()) for stack, own in by_stack.items()}
        return self._publisher.publish({front: texts[front.stack] for front in view.fronts})

    def _expected(self, view: View, decision: Decision) -> dict[Spot, frozenset[str]]:
        """At each spot the pairs that cover its domain; and, until it has forgotten them, what its proxy holds itself."""
        holdings = self._ordering.holdings(view)
        found = {}
        for spot in view.spots(decision.pairs):
            mine = {pair.fingerprint for pair in covering(spot.domain, decision.pairs)}
            mine |= {held.fingerprint for held in held_by(spot.front, holdings) if spot.domain in held.domains}
            if mine:
                found[spot] = frozenset(mine)
        return found


def _refuted(proof: Proof, new: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """Those of which a name is shown with another certificate, and that no front at all shows."""
    proven = {proof.seen[spot] for spot in proof.right}
    wrong = {spot.domain for spot in proof.wrong}
    return tuple(
        pair for pair in new if pair.fingerprint not in proven and any(covering(name, (pair,)) for name in wrong)
    )
