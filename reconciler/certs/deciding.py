"""Which pairs are served, and who owns each domain: a dropped pair, ACME, or nobody. Pure; the clock comes in.

Three rules stand above all others: what is not valid never takes the place of what is; a served name is never left
without a certificate on purpose; a name has one owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from reconciler.certs.model import Pair, Reading
from reconciler.certs.names import covers
from reconciler.model.moment import shown_moment

QUIET_S = 5.0  # a pair whose halves do not match is still arriving while its files were changed that recently


class State(StrEnum):
    """What became of the files of one name."""

    VALID = "valid"  # they are what is published
    PENDING = "pending"  # still arriving, or its time has not come
    INVALID = "invalid"  # something must be mended; the last good pair of the name, if any, goes on being served
    UNUSED = "unused"  # sound, but nobody here serves its names, or a newer pair has the same
    KEPT = "kept"  # the files are gone, but a served name would be without a certificate
    EXPIRED = "expired"  # served all the same, since nothing better is there
    WITHDRAWN = "withdrawn"  # no longer served


@dataclass(frozen=True, slots=True)
class Situation:
    """``readings``: by name, of the files that are there. ``quiet_s``: seconds since the files of a name last changed.
    ``accepted``: the pairs that were served last, by name. ``refused``: fingerprints that could not be proven, and why.
    ``domains``: the names that are served by TLS. ``asked``: pairs that stacks ask for by name, and which stack.
    ``acme``: of each domain, "" where a resolver may order for it, else why not.
    """

    readings: Mapping[str, Reading]
    quiet_s: Mapping[str, float]
    accepted: Mapping[str, Pair]
    refused: Mapping[str, str]
    domains: frozenset[str]
    asked: Mapping[str, str]
    acme: Mapping[str, str]
    now: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """About one name. ``pair`` is what is published under it, None for nothing. ``due_in_s``: when time alone changes it.
    ``spare``: a sound pair that no proxy gets, since another has the same names; whoever asks for it by name gets it."""

    name: str
    state: State
    pair: Pair | None = None
    messages: tuple[str, ...] = ()
    due_in_s: float | None = None
    spare: Pair | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """``acme``: the domains that no pair covers and a resolver may order for. ``uncovered``: the others, and why."""

    verdicts: tuple[Verdict, ...] = ()
    acme: tuple[str, ...] = ()
    uncovered: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """In the order of their names; no two have the same names on them."""
        return tuple(verdict.pair for verdict in self.verdicts if verdict.pair is not None)

    @property
    def by_name(self) -> Mapping[str, Pair]:
        """For those that ask for a pair by its name."""
        found = ((verdict.name, verdict.pair or verdict.spare) for verdict in self.verdicts)
        return {name: pair for name, pair in found if pair is not None}

    @property
    def due_in_s(self) -> float | None:
        return min((verdict.due_in_s for verdict in self.verdicts if verdict.due_in_s is not None), default=None)


def decide(situation: Situation) -> Decision:
    found = _verdicts(situation, {})
    held_back: dict[str, tuple[str, ...]] = {}
    while more := _losses(found, held_back, situation):
        held_back |= more
        found = _verdicts(situation, held_back)
    pairs = tuple(_published(found))
    bare = sorted(domain for domain in situation.domains if not covering(domain, pairs))
    return Decision(
        verdicts=tuple(found[name] for name in sorted(found)),
        acme=tuple(domain for domain in bare if situation.acme.get(domain) == ""),
        uncovered={domain: why for domain in bare if (why := situation.acme.get(domain, NOBODY_ORDERS))},
    )


def _verdicts(situation: Situation, held_back: Mapping[str, tuple[str, ...]]) -> dict[str, Verdict]:
    """``held_back``: by name, the domains that would lose their certificate by the pair that its files are now."""
    found = {name: _of_files(reading, situation) for name, reading in situation.readings.items()}
    found |= {name: _held(found[name], domains, situation) for name, domains in held_back.items()}
    found |= _without_twins(found, situation.now)
    for name in sorted(situation.accepted.keys() - found.keys()):
        found[name] = _of_nothing(situation.accepted[name], tuple(_published(found)), situation)
    return {name: _if_expired(verdict, found, situation) for name, verdict in found.items()}


def _losses(
    found: Mapping[str, Verdict], held_back: Mapping[str, tuple[str, ...]], situation: Situation
) -> dict[str, tuple[str, ...]]:
    """The names whose new pair lacks a served domain that the one before has, and that nothing else covers."""
    pairs = tuple(_published(found))
    lost = {}
    for name in situation.accepted.keys() & situation.readings.keys() - held_back.keys():
        last = situation.accepted[name]
        if last.not_after > situation.now and (left := _left_without(last, pairs, situation)):
            lost[name] = left
    return lost


NOT_CHECKED = "it is being found out whether it leads to this host"
NOBODY_ORDERS = "no pair in certs/ covers it, and no proxy here may order one (LETSENCRYPT_EMAIL is not set)"


def covering(domain: str, pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Those that a proxy may choose for ``domain``: the ones that name it outright come before any wildcard."""
    exact, wild = [], []
    for pair in pairs:
        if domain in pair.domains:
            exact.append(pair)
        elif any(covers(pattern, domain) for pattern in pair.domains):
            wild.append(pair)
    return tuple(exact or wild)


def _of_files(reading: Reading, situation: Situation) -> Verdict:
    name, last = reading.name, situation.accepted.get(reading.name)
    quiet_s = situation.quiet_s.get(name, QUIET_S)
    if reading.incomplete and abs(quiet_s) < QUIET_S:  # a time far ahead of ours is no news of anything
        return Verdict(name, State.PENDING, last, reading.problems, QUIET_S - quiet_s)
    if reading.not_before is not None:
        return Verdict(name, State.PENDING, last, reading.problems, max(0.0, reading.not_before - situation.now))
    if reading.pair is None:
        return Verdict(name, State.INVALID, last, reading.problems)
    if reading.pair.fingerprint in situation.refused:
        return Verdict(name, State.INVALID, last, (situation.refused[reading.pair.fingerprint],))
    if not _is_wanted(reading.pair, situation):
        served = ", ".join(sorted(situation.domains))
        names = ", ".join(reading.pair.domains)
        message = f"it is for {names}, and none of these is served here ({served})"
        if last is not None and _is_wanted(last, situation):
            return Verdict(name, State.INVALID, last, (message,))
        return Verdict(name, State.UNUSED, None, (message,))
    return Verdict(name, State.VALID, reading.pair, reading.warnings, reading.pair.not_after - situation.now)


def _held(verdict: Verdict, domains: tuple[str, ...], situation: Situation) -> Verdict:
    """The pair before stays: a name that is served does not lose its certificate by a narrower one."""
    last, lost = situation.accepted[verdict.name], ", ".join(domains)
    if any(situation.acme.get(domain) == NOT_CHECKED for domain in domains):
        return replace(verdict, state=State.PENDING, pair=last, messages=(f"it does not cover {lost}; {NOT_CHECKED}",))
    message = (
        f"it does not cover {lost}, which the one before covers and nothing else would: that one stays. Drop a pair "
        "that covers all of these names, or another one for those that are missing"
    )
    return replace(verdict, state=State.INVALID, pair=last, messages=(message,))


def _is_wanted(pair: Pair, situation: Situation) -> bool:
    """While no served name is known at all, as before the first release, every sound pair is welcome."""
    if not situation.domains or pair.name in situation.asked:
        return True
    return any(covering(domain, (pair,)) for domain in situation.domains)


def _without_twins(found: Mapping[str, Verdict], now: float) -> dict[str, Verdict]:
    """Of pairs with the very same names the one that was issued last is served: a proxy would take any of them."""
    by_names: dict[tuple[str, ...], list[tuple[Pair, Verdict]]] = {}
    for verdict in found.values():
        if verdict.pair is not None:
            by_names.setdefault(verdict.pair.domains, []).append((verdict.pair, verdict))
    changed = {}
    for twins in by_names.values():
        first, _ = max(twins, key=lambda twin: (twin[0].not_after > now, twin[0].not_before, twin[0].name))
        for pair, verdict in twins:
            if pair is not first:
                changed[verdict.name] = _of_twin(verdict, first)
    return changed


def _of_twin(verdict: Verdict, first: Pair) -> Verdict:
    is_same = verdict.pair is not None and verdict.pair.fingerprint == first.fingerprint
    why = "is the very same certificate" if is_same else "has the same names and was issued later"
    message = f"{first.name} {why}: that one is served"
    if verdict.state is State.VALID:
        return replace(verdict, state=State.UNUSED, pair=None, messages=(message,), spare=verdict.pair)
    return replace(verdict, pair=None, messages=(*verdict.messages, message))


def _of_nothing(last: Pair, others: tuple[Pair, ...], situation: Situation) -> Verdict:
    """Its files are gone."""
    left = _left_without(last, others, situation)
    if any(situation.acme.get(domain) == NOT_CHECKED for domain in left):
        return Verdict(last.name, State.PENDING, last, (f"its files are gone; {NOT_CHECKED}",))
    if left:
        message = (
            f"its files are gone, but {', '.join(left)} would be left without a certificate: it stays. "
            "Drop another pair for these names, and it goes"
        )
        return Verdict(last.name, State.KEPT, last, (message,))
    twin = next((other for other in others if other.domains == last.domains), None)
    if twin is not None:
        return Verdict(last.name, State.WITHDRAWN, None, (f"its files are gone, and {twin.name} has the same names",))
    asked = situation.asked.get(last.name)
    if asked is not None:
        message = f"its files are gone, but the stack {asked} asks for it (certs: in stack.yaml): it stays"
        return Verdict(last.name, State.KEPT, last, (message,))
    return Verdict(last.name, State.WITHDRAWN, None, ("its files are gone",))


def _if_expired(verdict: Verdict, found: Mapping[str, Verdict], situation: Situation) -> Verdict:
    """An expired one is given up for anything better; where nothing is, it still says the right name."""
    pair = verdict.pair
    if pair is None or pair.not_after > situation.now:
        return verdict
    others = tuple(other for other in _published(found) if other is not pair)
    left = _left_without(pair, others, situation)
    since = f"{pair.name} expired on {shown_moment(pair.not_after)}"
    if left:
        message = f"{since}, and nothing else covers {', '.join(left)}: drop a renewed pair"
        return replace(verdict, state=State.EXPIRED, messages=(message, *verdict.messages))
    return replace(verdict, state=State.WITHDRAWN, pair=None, messages=(f"{since}: it is no longer served",))


def _left_without(pair: Pair, others: tuple[Pair, ...], situation: Situation) -> tuple[str, ...]:
    mine = (domain for domain in sorted(situation.domains) if covering(domain, (pair,)))
    sound = tuple(other for other in others if other.not_after > situation.now)
    return tuple(d for d in mine if not covering(d, sound) and situation.acme.get(d) != "")


def _published(found: Mapping[str, Verdict]) -> Iterator[Pair]:
    return (verdict.pair for verdict in found.values() if verdict.pair is not None)
