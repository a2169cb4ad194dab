"""What people are told of certificates: what is listed, one event for each change, warnings before the end, and history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.certs.acme import Held, Trial
from reconciler.certs.deciding import NOT_CHECKED, Decision, State, Verdict
from reconciler.certs.model import Pair
from reconciler.certs.telling import Facts, Said, begun, news, records, shown_by_users
from reconciler.model.moment import shown_moment
from reconciler.model.record import CertificateRecord, ServedRecord

NOW = 1_800_000_000.0
DAY = 86400.0
KEY = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0IG9mIHNob3A\n-----END PRIVATE KEY-----\n"
SHOP = Pair("shop", b"chain", KEY, ("a.test", "b.test"), "Test CA", "f1", NOW - DAY, NOW + 90 * DAY)


def facts(*verdicts: Verdict, now: float = NOW, acme: tuple[str, ...] = (), **more: Any) -> Facts:
    decision = Decision(verdicts, acme, more.pop("uncovered", {}))
    return Facts(decision, now=now, **{"warn_before_s": 21 * DAY, **more})


def served(pair: Pair = SHOP, *messages: str, state: State = State.VALID) -> Verdict:
    return Verdict(pair.name, state, pair, messages)


def told(before: Iterable[CertificateRecord], found: Facts) -> list[Said]:
    return list(news(before, records(before, found)))


def days(*found: Facts) -> list[list[Said]]:
    """What is said in each of several passes, one after the other."""
    said: list[list[Said]] = []
    last: tuple[CertificateRecord, ...] = ()
    for each in found:
        now = records(last, each)
        said.append(list(news(last, now)))
        last = now
    return said


# Events


def test_a_pair_that_nobody_was_seen_serving_is_not_said_to_be_served() -> None:
    (said,) = told((), facts(served()))
    until = shown_moment(SHOP.not_after)
    assert said.message == f"shop: good for a.test, b.test, until {until}; nobody was seen serving it yet"


def test_what_else_happened_does_not_drown_in_a_folder_that_was_copied_here_by_mistake() -> None:
    wrong = [Verdict(f"ca{number:03}", State.INVALID, None, ("it holds no key",)) for number in range(300)]
    said = told((), facts(served(), *wrong))
    assert [each.reason for each in said].count("CertificateServed") == 1
    rejected = [each for each in said if each.reason == "CertificateRejected"]
    assert len(rejected) == 51
    assert rejected[-1].message == "and 250 more; all of them: reconciler certs list"


def test_a_pair_that_is_served_is_said_once_with_its_names_and_its_end() -> None:
    shown = {SHOP.fingerprint: ("web/traefik",)}
    first, second = days(facts(served(), shown=shown), facts(served(), now=NOW + DAY))
    (said,) = first
    assert (said.severity, said.reason) == ("info", "CertificateServed")
    assert said.message == f"shop: served for a.test, b.test, until {shown_moment(SHOP.not_after)}"
    assert second == []


@pytest.mark.parametrize(
    ("state", "severity", "reason"),
    [
        (State.INVALID, "error", "CertificateRejected"),
        (State.KEPT, "error", "CertificateKept"),
        (State.EXPIRED, "error", "CertificateExpired"),
        (State.WITHDRAWN, "info", "CertificateWithdrawn"),
        (State.UNUSED, "info", "CertificateUnused"),
    ],
)
@pytest.mark.parametrize("pair", [SHOP, None])
def test_every_other_state_is_said_with_what_is_the_matter(
    state: State, severity: str, reason: str, pair: Pair | None
) -> None:
    (said,) = told((), facts(Verdict("shop", state, pair, ("this is the matter",))))
    assert (said.severity, said.reason) == (severity, reason)
    assert "this is the matter" in said.message


def test_a_rejected_pair_says_what_goes_on_being_served() -> None:
    (said,) = told((), facts(served(SHOP, "the key belongs to none", state=State.INVALID)))
    assert f"goes on being served for a.test, b.test, until {shown_moment(SHOP.not_after)}" in said.message


def test_an_expired_pair_is_not_called_a_good_one() -> None:
    (said,) = told((), facts(served(SHOP, "shop expired", state=State.EXPIRED)))
    assert "good" not in said.message


def test_what_is_still_arriving_is_listed_and_not_said() -> None:
    found = facts(Verdict("shop", State.PENDING, None, ("the key is missing",)))
    assert told((), found) == []
    assert [record.state for record in records((), found)] == ["pending"]


def test_another_reason_is_another_event_and_the_same_reason_is_none() -> None:
    first = facts(Verdict("shop", State.INVALID, None, ("one",)))
    other = facts(Verdict("shop", State.INVALID, None, ("two",)))
    assert [len(said) for said in days(first, first, other, other)] == [1, 0, 1, 0]


def test_a_renewed_pair_is_said_although_nothing_but_its_fingerprint_changed() -> None:
    _, second = days(facts(served()), facts(served(replace(SHOP, fingerprint="f2"))))
    assert [said.reason for said in second] == ["CertificateServed"]


def test_a_domain_that_nobody_covers_is_said_once_with_the_reason() -> None:
    found = facts(uncovered={"a.test": "it leads elsewhere"})
    assert days(found, found) == [[Said("error", "DomainUncovered", "a.test: it leads elsewhere")], []]


def test_a_domain_that_is_being_looked_up_is_said_when_the_answer_is_there() -> None:
    asking, known = facts(uncovered={"a.test": NOT_CHECKED}), facts(uncovered={"a.test": "it leads elsewhere"})
    assert [[each.message for each in said] for said in days(asking, known)] == [[], ["a.test: it leads elsewhere"]]


def test_an_order_is_said_when_it_begins_when_it_failed_and_when_it_led_to_a_certificate() -> None:
    held = Held("le", ("a.test",), "f9", "CN=Fake LE", NOW + 90 * DAY)
    begins = facts(acme=("a.test",), trials={"a.test": Trial("a.test", 1, NOW)})
    failed = facts(
        acme=("a.test",), trials={"a.test": Trial("a.test", 1, None, NOW + 60)}, failures={"a.test": "no route"}
    )
    done = facts(acme=("a.test",), trials={"a.test": Trial("a.test")}, held={"a.test": held})
    said = days(begins, begins, failed, failed, begins, done, done)
    assert [[each.reason for each in found] for found in said] == [
        ["CertificateOrdered"],
        [],
        ["OrderFailed"],
        [],
        ["CertificateOrdered"],
        ["CertificateIssued"],
        [],
    ]
    assert "no route" in said[2][0].message
    assert shown_moment(NOW + 60) in said[2][0].message


# Warnings before the end

SOON = replace(SHOP, not_after=NOW + 22 * DAY)


def warnings(*nows: float, pair: Pair = SOON) -> list[float]:
    """At which of these times a warning was given."""
    said = days(*(facts(served(pair), now=now) for now in nows))
    return [
        now for now, found in zip(nows, said, strict=True) for each in found if each.reason == "CertificateExpiring"
    ]


def test_a_certificate_is_warned_of_at_the_time_that_is_set_and_then_once_a_day() -> None:
    hours = [NOW + hour * 3600.0 for hour in range(24 * 4)]
    assert warnings(*hours) == [NOW + DAY + 3600.0, NOW + 2 * DAY + 3600.0, NOW + 3 * DAY + 3600.0]


def test_a_warning_is_an_error_that_says_how_to_mend_it() -> None:
    (_, said) = told((), facts(served(SOON), now=NOW + 2 * DAY))
    assert (said.severity, said.reason) == ("error", "CertificateExpiring")
    assert said.message == f"shop: expires on {shown_moment(SOON.not_after)}; drop a renewed pair into certs/"


def test_what_is_over_is_not_said_to_be_coming() -> None:
    *_, said = told((), facts(served(SOON, "over", state=State.EXPIRED), now=NOW + 23 * DAY))
    assert f"shop: expired on {shown_moment(SOON.not_after)}" in said.message


def test_a_renewed_pair_is_warned_of_anew_and_one_that_lasts_is_not() -> None:
    late = NOW + 2 * DAY
    renewed = replace(SHOP, fingerprint="f2")
    first, second = days(facts(served(SOON), now=late), facts(served(renewed), now=late + 1))
    assert [said.reason for said in first] == ["CertificateServed", "CertificateExpiring"]
    assert [said.reason for said in second] == ["CertificateServed"]
    first, second = days(facts(served(SOON), now=late), facts(served(replace(SOON, fingerprint="f3")), now=late + 1))
    assert [said.reason for said in second] == ["CertificateServed", "CertificateExpiring"]


# Records


def test_when_and_where_a_certificate_was_last_shown_is_remembered_while_it_is_the_same() -> None:
    shown = records((), facts(served(), shown={"f1": ("shop/traefik",)}))
    later = records(shown, facts(served(), now=NOW + 60))
    assert [(found.verified_at, found.verified_by) for found in later] == [(NOW, ("shop/traefik",))]
    renewed = records(later, facts(served(replace(SHOP, fingerprint="f2")), now=NOW + 120))
    assert [(found.verified_at, found.verified_by) for found in renewed] == [(0.0, ())]


def test_a_pair_that_is_not_published_has_no_fingerprint_and_is_shown_nowhere() -> None:
    (found,) = records((), facts(Verdict("shop", State.UNUSED, None, ("x",)), shown={"": ("shop/traefik",)}))
    assert (found.fingerprint, found.verified_at, found.not_after) == ("", 0.0, 0.0)


def test_a_pair_and_a_domain_of_one_name_are_two_records() -> None:
    found = facts(served(replace(SHOP, name="a.test")), acme=("a.test",), uncovered={"a.test": "x"})
    assert [record.origin for record in records((), found)] == ["folder", "acme", "none"]


def test_no_record_and_no_event_holds_a_key() -> None:
    found = facts(*(served(replace(SHOP, name=state), "x", state=state) for state in State))
    everything = repr(records((), found)) + repr(told((), found)) + repr(found)
    assert "c2VjcmV0IG9mIHNob3A" not in everything


# History


def seen(service: str, domain: str, fingerprint: str) -> ServedRecord:
    return ServedRecord(NOW, service, domain, fingerprint, "shop", "Test CA", NOW + DAY)


def test_history_gets_what_is_shown_anew_and_nothing_twice() -> None:
    last = {("shop/traefik", "a.test"): "f1", ("shop/traefik", "b.test"): "f1"}
    now = (seen("shop/traefik", "a.test", "f1"), seen("shop/traefik", "b.test", "f2"), seen("mail/x", "a.test", "f1"))
    assert begun(last, now) == now[1:]


def test_a_service_with_a_pair_of_its_own_is_told_of_for_each_domain_once_it_was_seen() -> None:
    users = {"f1": ("shop/db", "mail/smtp"), "f2": ("other/web",)}
    found = [(one.service, one.domain, one.fingerprint) for one in shown_by_users([SHOP], users, {"f1"}, NOW)]
    assert found == [(place, domain, "f1") for place in users["f1"] for domain in ("a.test", "b.test")]
    assert not [*shown_by_users([SHOP], users, {"f2"}, NOW)]


def test_what_acme_renews_by_itself_is_warned_of_only_when_it_was_not_renewed() -> None:
    """A certificate of six days is never 21 days from its end."""
    held = Held("le", ("a.test",), "f", "CA", not_after=6 * DAY, not_before=0.0)
    fresh = Facts(Decision(acme=("a.test",)), held={"a.test": held}, now=3 * DAY, warn_before_s=21 * DAY)
    assert [record.warned_at for record in records((), fresh)] == [0.0]
    assert [record.warned_at for record in records((), replace(fresh, now=5 * DAY))] == [5 * DAY]
