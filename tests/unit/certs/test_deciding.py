"""Which pairs are served and who owns each name: a table of situations, and what no situation may lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.certs.deciding import (
    NOBODY_ORDERS,
    NOT_CHECKED,
    Decision,
    Situation,
    State,
    Verdict,
    covering,
    decide,
)
from reconciler.certs.model import Pair, Reading

NOW = 1_800_000_000.0
DAY = 86400.0


def pair(name: str, *domains: str, serial: str = "1", since: float = -DAY, until: float = 90 * DAY) -> Pair:
    """``since``, ``until``: seconds from now. ``serial`` tells pairs of one name apart."""
    return Pair(
        name,
        b"",
        b"",
        tuple(sorted(domains)),
        "Test CA",
        f"{name}-{serial}",
        not_before=NOW + since,
        not_after=NOW + until,
    )


def valid(found: Pair, *warnings: str) -> Reading:
    return Reading(found.name, found, warnings=warnings)


def broken(name: str, problem: str = "the key belongs to none", *, incomplete: bool = False) -> Reading:
    return Reading(name, problems=(problem,), incomplete=incomplete)


def early(name: str, in_s: float) -> Reading:
    return Reading(name, problems=("its time has not come",), not_before=NOW + in_s)


def situation(
    *readings: Reading,
    served: tuple[str, ...] = ("a.test",),
    accepted: tuple[Pair, ...] = (),
    quiet_s: float = 60.0,
    **more: Mapping[str, str],
) -> Situation:
    return Situation(
        readings={reading.name: reading for reading in readings},
        quiet_s={reading.name: quiet_s for reading in readings},
        accepted={found.name: found for found in accepted},
        domains=frozenset(served),
        now=NOW,
        **{"refused": {}, "asked": {}, "acme": {}, **more},
    )


def verdict(decision: Decision, name: str) -> Verdict:
    return next(found for found in decision.verdicts if found.name == name)


OLD = pair("shop", "a.test", serial="old", until=5 * DAY)
NEW = pair("shop", "a.test", serial="new")
GONE = pair("shop", "a.test", until=-DAY)

# What is there, what was served before (and who may order) -> the state, and what is published of it
TABLE: dict[str, tuple[Situation, State, Pair | None]] = {
    "a first pair": (situation(valid(NEW)), State.VALID, NEW),
    "a renewed pair": (situation(valid(NEW), accepted=(OLD,)), State.VALID, NEW),
    "a broken pair": (situation(broken("shop")), State.INVALID, None),
    "a broken pair after a good one": (situation(broken("shop"), accepted=(OLD,)), State.INVALID, OLD),
    "half a pair, a second ago": (
        situation(broken("shop", incomplete=True), accepted=(OLD,), quiet_s=1.0),
        State.PENDING,
        OLD,
    ),
    "half a pair, a minute ago": (situation(broken("shop", incomplete=True), accepted=(OLD,)), State.INVALID, OLD),
    "half a pair of next year": (
        situation(broken("shop", incomplete=True), accepted=(OLD,), quiet_s=-365 * DAY),
        State.INVALID,
        OLD,
    ),
    "a pair of tomorrow": (situation(early("shop", DAY), accepted=(OLD,)), State.PENDING, OLD),
    "a pair for names of nobody": (situation(valid(pair("shop", "other.test"))), State.UNUSED, None),
    "a pair for names of nobody after a good one": (
        situation(valid(pair("shop", "other.test")), accepted=(OLD,)),
        State.INVALID,
        OLD,
    ),
    "a pair whose names are served no more": (
        situation(valid(OLD), accepted=(OLD,), served=("other.test",)),
        State.UNUSED,
        None,
    ),
    "any pair before the first release": (situation(valid(NEW), served=()), State.VALID, NEW),
    "a pair that a stack asks for": (
        situation(valid(NEW), served=("other.test",), asked={"shop": "mail"}),
        State.VALID,
        NEW,
    ),
    "a pair that could not be proven": (
        situation(valid(NEW), accepted=(OLD,), refused={"shop-new": "it was not shown"}),
        State.INVALID,
        OLD,
    ),
    "a narrower pair": (
        situation(valid(NEW), accepted=(pair("shop", "a.test", "b.test", serial="wide"),), served=("a.test", "b.test")),
        State.INVALID,
        pair("shop", "a.test", "b.test", serial="wide"),
    ),
    "a narrower pair, and ACME for the rest": (
        situation(
            valid(NEW),
            accepted=(pair("shop", "a.test", "b.test", serial="wide"),),
            served=("a.test", "b.test"),
            acme={"b.test": ""},
        ),
        State.VALID,
        NEW,
    ),
    "a narrower pair, and it is not known whether ACME may": (
        situation(
            valid(NEW),
            accepted=(pair("shop", "a.test", "b.test", serial="wide"),),
            served=("a.test", "b.test"),
            acme={"b.test": NOT_CHECKED},
        ),
        State.PENDING,
        pair("shop", "a.test", "b.test", serial="wide"),
    ),
    "a narrower pair after one that expired": (
        situation(valid(NEW), accepted=(pair("shop", "a.test", "b.test", until=-DAY),), served=("a.test", "b.test")),
        State.VALID,
        NEW,
    ),
    "removed": (situation(accepted=(OLD,)), State.KEPT, OLD),
    "removed, and ACME may order": (situation(accepted=(OLD,), acme={"a.test": ""}), State.WITHDRAWN, None),
    "removed, and it is not known whether ACME may": (
        situation(accepted=(OLD,), acme={"a.test": NOT_CHECKED}),
        State.PENDING,
        OLD,
    ),
    "removed, and ACME cannot": (situation(accepted=(OLD,), acme={"a.test": "no such name"}), State.KEPT, OLD),
    "removed, and another pair covers it": (
        situation(valid(pair("wild", "*.test")), accepted=(OLD,)),
        State.WITHDRAWN,
        None,
    ),
    "removed, and another pair covers it that expired": (
        situation(broken("wild"), accepted=(OLD, pair("wild", "*.test", until=-DAY))),
        State.KEPT,
        OLD,
    ),
    "removed, and served by nobody": (situation(accepted=(OLD,), served=("other.test",)), State.WITHDRAWN, None),
    "removed, and asked for": (
        situation(accepted=(OLD,), served=("other.test",), asked={"shop": "mail"}),
        State.KEPT,
        OLD,
    ),
    "expired": (situation(broken("shop", "it expired"), accepted=(GONE,)), State.EXPIRED, GONE),
    "expired, and ACME may order": (
        situation(broken("shop", "it expired"), accepted=(GONE,), acme={"a.test": ""}),
        State.WITHDRAWN,
        None,
    ),
    "expired, and another pair covers it": (
        situation(broken("shop", "it expired"), valid(pair("wild", "*.test")), accepted=(GONE,)),
        State.WITHDRAWN,
        None,
    ),
    "expired, with a twin that is valid and was issued before": (
        situation(
            broken("shop", "it expired"),
            valid(pair("twin", "a.test", since=-9 * DAY)),
            accepted=(replace(GONE, not_before=NOW - 2 * DAY),),
        ),
        State.INVALID,
        None,
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_situation_leads_to_one_state_and_to_what_is_served(name: str) -> None:
    found, state, served = TABLE[name]
    seen = verdict(decide(found), "shop")
    assert (seen.state, seen.pair) == (state, served)


@pytest.mark.parametrize("name", [name for name, (_, state, _) in TABLE.items() if state is not State.VALID])
def test_whatever_is_not_simply_served_says_why(name: str) -> None:
    found, _, _ = TABLE[name]
    assert all(verdict(decide(found), "shop").messages)
    assert verdict(decide(found), "shop").messages


def test_a_pair_that_stays_says_for_which_names_and_how_it_can_go() -> None:
    (message,) = verdict(decide(situation(accepted=(OLD,))), "shop").messages
    assert "a.test would be left without a certificate: it stays" in message
    assert "Drop another pair" in message


def test_a_pair_that_is_held_back_names_what_it_lacks() -> None:
    wide = pair("shop", "a.test", "b.test", serial="wide")
    (message,) = verdict(decide(situation(valid(NEW), accepted=(wide,), served=("a.test", "b.test"))), "shop").messages
    assert "does not cover b.test" in message


def test_a_pair_that_holds_another_one_back_is_held_back_itself_where_its_names_would_be_lost() -> None:
    """``new`` would take over from its twin, is held back, and the twin must not be gone by then."""
    first, second = pair("shop", "b.test"), pair("twin", "a.test")
    newer = pair("shop", "a.test", serial="newer", since=-60.0)
    found = decide(situation(valid(newer), valid(second), accepted=(first, second), served=("a.test", "b.test")))
    assert found.pairs == (first, second)


def test_of_two_pairs_with_the_same_names_the_one_issued_last_is_served_and_the_other_says_so() -> None:
    first, second = pair("one", "a.test"), pair("two", "a.test", since=-60.0)
    found = decide(situation(valid(first), valid(second)))
    assert found.pairs == (second,)
    assert verdict(found, "one").messages == ("two has the same names and was issued later: that one is served",)
    assert found.by_name == {"one": first, "two": second}, "whoever asks for one by name gets that one"


def test_a_pair_that_lies_there_twice_is_not_called_older_than_itself() -> None:
    first = pair("one", "a.test")
    found = decide(situation(valid(first), valid(replace(first, name="two"))))
    assert verdict(found, "one").messages == ("two is the very same certificate: that one is served",)


def test_a_broken_pair_with_a_newer_twin_still_says_what_is_wrong_with_it() -> None:
    found = decide(situation(broken("shop"), valid(pair("two", "a.test", since=-60.0)), accepted=(OLD,)))
    assert (verdict(found, "shop").state, verdict(found, "shop").pair) == (State.INVALID, None)
    assert "the key belongs to none" in verdict(found, "shop").messages


def test_an_invalid_pair_takes_no_other_down() -> None:
    found = decide(situation(broken("bad"), valid(NEW), broken("worse", incomplete=True)))
    assert found.pairs == (NEW,)


def test_a_name_that_nobody_covers_is_ordered_for_or_says_why_not() -> None:
    found = decide(
        situation(served=("a.test", "b.test", "c.test"), acme={"a.test": "", "b.test": "it leads elsewhere"})
    )
    assert found.acme == ("a.test",)
    assert found.uncovered == {"b.test": "it leads elsewhere", "c.test": NOBODY_ORDERS}


def test_a_pair_that_names_a_host_outright_comes_before_a_wildcard() -> None:
    exact, wild = pair("exact", "a.test"), pair("wild", "*.test")
    assert covering("a.test", (wild, exact)) == (exact,)
    assert covering("b.test", (wild, exact)) == (wild,)


@pytest.mark.parametrize(
    ("found", "due_in_s"),
    [
        (situation(broken("shop", incomplete=True), quiet_s=1.0), 4.0),
        (situation(early("shop", 30.0), early("later", DAY)), 30.0),
        (situation(valid(NEW)), NEW.not_after - situation().now),
        (situation(), None),
    ],
)
def test_a_decision_says_when_time_alone_changes_it(found: Situation, due_in_s: float | None) -> None:
    assert decide(found).due_in_s == due_in_s


# Laws

NAMES = ("p", "q", "r")
DOMAINS = ("a.test", "b.test", "c.test")
ON_PAIRS = (*DOMAINS, "*.test")


NAME_SETS = (("a.test",), ("a.test", "b.test"), ("b.test", "c.test"), ("*.test",), ("*.test", "c.test"), ("c.test",))
LAST = {
    name: [
        pair(name, *names, serial="last", since=-3 * DAY, until=until) for names in NAME_SETS for until in (-DAY, DAY)
    ]
    for name in NAMES
}
READINGS = {
    name: [
        *(
            valid(pair(name, *names, serial="new", since=since))
            for names in NAME_SETS
            for since in (-4 * DAY, -2 * DAY)
        ),
        *(broken(name), broken(name, incomplete=True), early(name, DAY)),
    ]
    for name in NAMES
}
MAYBE_LAST = st.tuples(*(st.sampled_from([None, *LAST[name]]) for name in NAMES))
MAYBE_READINGS = st.tuples(*(st.sampled_from([None, *READINGS[name]]) for name in NAMES))
ANSWERS = st.tuples(*(st.sampled_from([None, "", NOT_CHECKED, "elsewhere"]) for _ in ON_PAIRS))
SERVED = st.sets(st.sampled_from(ON_PAIRS))
MAYBE_NAME = st.sampled_from([None, *NAMES])


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """What was served before had names of its own, too."""
    last = {found.domains: found for found in draw(MAYBE_LAST) if found}
    asked, refused, quiet_s = draw(MAYBE_NAME), draw(MAYBE_NAME), draw(st.sampled_from([-9.0, 1.0, 60.0]))
    return situation(
        *(reading for reading in draw(MAYBE_READINGS) if reading),
        served=tuple(draw(SERVED)),
        accepted=tuple(last.values()),
        quiet_s=quiet_s,
        refused={f"{refused}-new": "not shown"} if refused else {},
        asked={asked: "mail"} if asked else {},
        acme={name: found for name, found in zip(ON_PAIRS, draw(ANSWERS), strict=True) if found is not None},
    )


def soundly_covered(domain: str, found: tuple[Pair, ...]) -> bool:
    return bool(covering(domain, [each for each in found if each.not_after > NOW]))


@given(situations())
@settings(max_examples=200, deadline=None)
def test_a_served_name_that_had_a_sound_certificate_never_loses_it_unless_acme_may_order_for_it(
    found: Situation,
) -> None:
    decision = decide(found)
    for domain in found.domains:
        if soundly_covered(domain, tuple(found.accepted.values())) and found.acme.get(domain) != "":
            assert soundly_covered(domain, decision.pairs), (domain, decision)


@given(situations())
@settings(max_examples=200, deadline=None)
def test_what_is_published_has_names_of_its_own_and_was_accepted_before_or_is_valid_now(found: Situation) -> None:
    published = decide(found).pairs
    assert len({each.domains for each in published}) == len(published)
    sound = {reading.pair for reading in found.readings.values() if reading.pair}
    proven = {each for each in sound if each.fingerprint not in found.refused}
    assert set(published) <= proven | set(found.accepted.values())


@given(situations())
@settings(max_examples=200, deadline=None)
def test_every_served_name_has_one_owner(found: Situation) -> None:
    decision = decide(found)
    for domain in found.domains:
        owners = [bool(covering(domain, decision.pairs)), domain in decision.acme, domain in decision.uncovered]
        assert owners.count(True) == 1, (domain, decision)


@given(situations())
@settings(max_examples=200, deadline=None)
def test_what_was_decided_is_decided_again_while_nothing_changes(found: Situation) -> None:
    first = decide(found)
    again = decide(replace(found, accepted={each.name: each for each in first.pairs}))
    assert again.pairs == first.pairs
