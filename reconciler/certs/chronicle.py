"""Writes down what became of the certificates: records for ``certs list``, the history of what was shown, events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.certs import telling
from reconciler.certs.deciding import Decision, State, Verdict
from reconciler.certs.proving import Proof
from reconciler.model.manifest import CertificateSettings
from reconciler.model.record import ServedRecord
from reconciler.ports.books import CertificateBook, Journal
from reconciler.ports.clock import Clock

if TYPE_CHECKING:
    from reconciler.certs.reading.trust import Trust

_MOST_SERVED = 10_000


@dataclass
class Chronicle:
    """``on_shown``: is told of certificates that a handshake showed where it showed others before. ``said_wrong``: what was said of spots that show another certificate than they should, so as not to say it again."""

    settings: CertificateSettings
    journal: Journal
    book: CertificateBook
    clock: Clock
    said_wrong: frozenset[str] = frozenset()
    on_shown: Callable[[Sequence[ServedRecord]], None] = lambda _: None

    @cached_property
    def _trust(self) -> Trust:
        from reconciler.certs.reading.trust import Trust

        return Trust(own=self.settings.ca_file, public=self.settings.public)

    def say(self, said: telling.Said, stack: str = "") -> None:
        self.journal.tell(stack, said.severity, said.reason, said.message, "", self.clock.now())

    def complain(self, proof: Proof) -> None:
        """Of what is shown wrongly at places where nothing of ours was taken back."""
        found = {
            f"{spot.front.place} shows another certificate for {spot.domain} than the one that was published; "
            "look for a certificate that it has from elsewhere, whether --providers.file.directory names the folder that it "
            "mounts, and in its log": spot
            for spot in proof.wrong
        }
        for message in sorted(found.keys() - self.said_wrong):
            self.say(telling.Said("error", "CertificateNotServed", message))
        if proof.seen:
            self.said_wrong = frozenset(found)

    def write(self, facts: telling.Facts, proof: Proof) -> None:
        """The records as they are now, an event for each change of what they say, and what was shown for the first time."""
        before = self.book.certificates()
        facts = replace(facts, decision=self._with_doubts(facts.decision, facts.now))
        records = telling.records(before, facts)
        for said in telling.news(before, records):
            self.say(said)
        kept = tuple(record for record in records if record.state != State.WITHDRAWN.value)
        if kept != before:
            self.book.save_certificates(kept)
        self._write_history(facts.decision, proof, facts.now)

    def _with_doubts(self, decision: Decision, now: float) -> Decision:
        """Who vouches for it is found out after it is served, since it is a warning and takes its time."""
        return replace(decision, verdicts=tuple(self._judged(verdict, now) for verdict in decision.verdicts))

    def _judged(self, verdict: Verdict, now: float) -> Verdict:
        if verdict.pair is None or verdict.state is not State.VALID:
            return verdict
        return replace(verdict, messages=self._trust.judged(verdict.messages, verdict.pair, now))

    def _write_history(self, decision: Decision, proof: Proof, now: float) -> None:
        if not proof.right:
            return
        known = {
            record.fingerprint: (record.name, record.issuer, record.not_after) for record in self.book.certificates()
        }
        known |= {pair.fingerprint: (pair.name, pair.issuer, pair.not_after) for pair in decision.pairs}
        seen = []
        for spot in proof.right:
            fingerprint = proof.seen[spot] or ""
            seen.append(
                ServedRecord(now, spot.front.place, spot.domain, fingerprint, *known.get(fingerprint, ("", "", 0.0)))
            )
        self.note_shown(seen)

    def note_shown(self, seen: Sequence[ServedRecord]) -> None:
        """What handshakes showed; what is shown for the first time there is told and remembered."""
        last = {(r.service, r.domain): r.fingerprint for r in reversed(self.book.served(_MOST_SERVED))}
        if begun := telling.begun(last, seen):
            self.on_shown(begun)  # first: who is killed in between is told once more, rather than never
            self.book.serves(begun)
