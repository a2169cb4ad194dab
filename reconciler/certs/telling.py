"""What people are told of certificates: the records that ``certs list`` shows, and an event for each change. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.certs.acme import Held, Trial
from reconciler.certs.deciding import NOT_CHECKED, Decision, State, Verdict
from reconciler.certs.model import Pair
from reconciler.model.moment import shown_moment
from reconciler.model.record import CertificateRecord, ServedRecord

_DAY_S = 86400.0
_MOST_OF_A_KIND = 50
FOLDER, ACME, NOBODY = "folder", "acme", "none"

_SAID = {
    State.VALID: ("info", "CertificateServed"),
    State.INVALID: ("error", "CertificateRejected"),
    State.KEPT: ("error", "CertificateKept"),
    State.EXPIRED: ("error", "CertificateExpired"),
    State.WITHDRAWN: ("info", "CertificateWithdrawn"),
    State.UNUSED: ("info", "CertificateUnused"),
}


@dataclass(frozen=True, slots=True)
class Said:
    severity: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Facts:
    """``held``: by domain, of those that ACME owns. ``trials``: by domain. ``failures``: why the last order of a domain
    failed. ``shown``: by fingerprint, the services that showed it in a handshake at ``now``."""

    decision: Decision
    held: Mapping[str, Held] = field(default_factory=dict)
    trials: Mapping[str, Trial] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    now: float = 0.0
    warn_before_s: float = 0.0


def records(before: Iterable[CertificateRecord], facts: Facts) -> tuple[CertificateRecord, ...]:
    """The records as they are now; when a handshake last showed one is remembered from ``before``."""
    known = {(record.origin, record.name): record for record in before}
    made = (*map(_of_verdict, facts.decision.verdicts), *_of_acme(facts), *_of_nobody(facts))
    return tuple(_remembered(record, known.get((record.origin, record.name)), facts) for record in made)


def news(before: Iterable[CertificateRecord], now: Iterable[CertificateRecord]) -> Iterator[Said]:
    """One event for each record that changed in what it says. Of very many of a kind, as when a folder of authorities was
    copied here, it is the first of them and how many more: what else happened is not to drown in them."""
    told: dict[tuple[str, str], int] = {}
    for said in _changes(before, now):
        kind = (said.severity, said.reason)
        told[kind] = told.get(kind, 0) + 1
        if told[kind] <= _MOST_OF_A_KIND:
            yield said
    for (severity, reason), number in told.items():
        if number > _MOST_OF_A_KIND:
            yield Said(severity, reason, f"and {number - _MOST_OF_A_KIND} more; all of them: reconciler certs list")


def _changes(before: Iterable[CertificateRecord], now: Iterable[CertificateRecord]) -> Iterator[Said]:
    known = {(record.origin, record.name): record for record in before}
    for record in now:
        last = known.get((record.origin, record.name))
        if last is None or _essence(last) != _essence(record):
            yield from _change(record)
        if record.warned_at and (last is None or last.warned_at != record.warned_at):
            yield Said("error", "CertificateExpiring", _expiry(record))


def _essence(record: CertificateRecord) -> tuple[str, str, str]:
    return record.state, record.fingerprint, record.message


def _of_verdict(verdict: Verdict) -> CertificateRecord:
    pair = verdict.pair
    record = CertificateRecord(verdict.name, FOLDER, verdict.state.value, message="; ".join(verdict.messages))
    if pair is None:
        return record
    return replace(
        record,
        domains=pair.domains,
        issuer=pair.issuer,
        fingerprint=pair.fingerprint,
        not_after=pair.not_after,
    )


def _of_acme(facts: Facts) -> Iterator[CertificateRecord]:
    for domain in facts.decision.acme:
        held, trial = facts.held.get(domain), facts.trials.get(domain)
        if held is not None:
            yield CertificateRecord(
                domain, ACME, State.VALID.value, held.domains, held.issuer, held.fingerprint, held.not_after
            )
        elif trial is None or trial.began_at is not None or not trial.attempts:
            yield CertificateRecord(domain, ACME, "ordering", (domain,))
        else:
            why = facts.failures.get(domain, "the proxy's log says why")
            message = f"{trial.attempts} orders failed ({why}); the next one is made at {shown_moment(trial.next_at)}"
            yield CertificateRecord(domain, ACME, "failed", (domain,), message=message)


def _of_nobody(facts: Facts) -> Iterator[CertificateRecord]:
    for domain, why in facts.decision.uncovered.items():
        state = "checking" if why == NOT_CHECKED else "uncovered"
        yield CertificateRecord(domain, NOBODY, state, (domain,), message=why)


def _remembered(record: CertificateRecord, last: CertificateRecord | None, facts: Facts) -> CertificateRecord:
    shown = facts.shown.get(record.fingerprint, ()) if record.fingerprint else ()
    if last is not None and last.fingerprint == record.fingerprint:
        record = replace(record, verified_at=last.verified_at, verified_by=last.verified_by, warned_at=last.warned_at)
    if shown:
        record = replace(record, verified_at=facts.now, verified_by=shown)
    expires_soon = record.not_after and record.not_after - facts.now < _warned_before_s(record, facts)
    if expires_soon and facts.now - record.warned_at >= _DAY_S:
        record = replace(record, warned_at=facts.now)
    return record


def _warned_before_s(record: CertificateRecord, facts: Facts) -> float:
    """ACME's are renewed by themselves, however short they live: what has a fifth of its time left was not renewed."""
    held = facts.held.get(record.name) if record.origin == ACME else None
    if held is None:
        return facts.warn_before_s
    return min(facts.warn_before_s, (held.not_after - held.not_before) / 5)


def _change(record: CertificateRecord) -> Iterator[Said]:
    if record.state == "checking":
        return
    if record.origin == NOBODY:
        yield Said("error", "DomainUncovered", f"{record.name}: {record.message}")
    elif record.origin == ACME:
        yield from _acme_change(record)
    elif record.state in _SAID:
        severity, reason = _SAID[State(record.state)]
        yield Said(severity, reason, f"{record.name}: {_story(record)}")


def _acme_change(record: CertificateRecord) -> Iterator[Said]:
    if record.state == State.VALID.value:
        yield Said(
            "info",
            "CertificateIssued",
            f"{record.name}: issued by {record.issuer}, until {shown_moment(record.not_after)}",
        )
    elif record.state == "failed":
        yield Said("error", "OrderFailed", f"{record.name}: {record.message}")
    else:
        yield Said("info", "CertificateOrdered", f"{record.name}: a certificate is ordered")


def _story(record: CertificateRecord) -> str:
    """What is served, and what is to be said of it."""
    if record.state == State.WITHDRAWN.value:
        return f"no longer served: {record.message}"
    served = f"for {', '.join(record.domains)}, until {shown_moment(record.not_after)}" if record.fingerprint else ""
    if record.state == State.VALID.value:
        seen = f"served {served}" if record.verified_by else f"good {served}; nobody was seen serving it yet"
        return seen + (f" ({record.message})" if record.message else "")
    if not served:
        return record.message
    if record.state == State.EXPIRED.value:
        return f"{record.message}. Until then it is shown all the same, since a certificate for another name is worse"
    return f"{record.message}. The last good one goes on being served {served}"


def _expiry(record: CertificateRecord) -> str:
    mend = (
        "drop a renewed pair into certs/" if record.origin == FOLDER else "the proxy's log says why it is not renewed"
    )
    expires = "expires" if record.warned_at < record.not_after else "expired"
    return f"{record.name}: {expires} on {shown_moment(record.not_after)}; {mend}"


def begun(last: Mapping[tuple[str, str], str], seen: Iterable[ServedRecord]) -> tuple[ServedRecord, ...]:
    """Of what is ``seen``, what was not so before. ``last``: the fingerprint by service and domain."""
    return tuple(record for record in seen if last.get((record.service, record.domain)) != record.fingerprint)


def shown_by_users(
    pairs: Iterable[Pair], users: Mapping[str, Sequence[str]], news: Container[str], now: float
) -> Iterator[ServedRecord]:
    """What services with pairs of their own showed, domain by domain. ``users``: by fingerprint, the services; ``news``: the
    fingerprints that were seen just now."""
    for pair in pairs:
        for place in users.get(pair.fingerprint, ()) if pair.fingerprint in news else ():
            for domain in pair.domains:
                yield ServedRecord(now, place, domain, pair.fingerprint, pair.name, pair.issuer, pair.not_after)
