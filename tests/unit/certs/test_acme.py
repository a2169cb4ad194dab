"""What is read of Traefik's ACME file, what is left of it without some names, and how often a domain is ordered for."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.certs.acme import ORDER_LASTS_S, Trial, given_up, held, next_trial, without
from reconciler.certs.ordering import AcmeFiles
from tests.certificates import Authority

CA = Authority()
SHOP, MAIL = CA.issue("shop.test", "www.shop.test"), CA.issue("mail.test")
HOUR, DAY = 3600.0, 86400.0


def entry(issued: Any, main: str, *others: str) -> dict[str, Any]:
    """As Traefik writes one."""
    domain = {"main": main, "sans": list(others)} if others else {"main": main}
    return {
        "domain": domain,
        "certificate": b64encode(issued.chain_pem).decode(),
        "key": b64encode(issued.key_pem).decode(),
        "Store": "default",
    }


def storage(**by_resolver: list[Any] | None) -> bytes:
    account = {"Email": "ops@shop.test", "Registration": {"body": {"status": "valid"}}, "PrivateKey": "c2VjcmV0"}
    return json.dumps(
        {name: {"Account": account, "Certificates": found} for name, found in by_resolver.items()}
    ).encode()


FULL = storage(
    le=[entry(SHOP, "Shop.test", "www.shop.test"), entry(MAIL, "mail.test")], other=[entry(MAIL, "mail.test")]
)


def test_what_a_resolver_holds_is_known_by_names_fingerprint_and_end() -> None:
    shop, *rest = held(FULL)
    assert (shop.resolver, shop.domains, shop.fingerprint) == ("le", ("shop.test", "www.shop.test"), SHOP.fingerprint)
    assert shop.not_after == SHOP.certificate.not_valid_after_utc.timestamp()
    assert [(found.resolver, found.fingerprint) for found in rest] == [
        ("le", MAIL.fingerprint),
        ("other", MAIL.fingerprint),
    ]


def test_a_name_is_taken_out_of_every_resolver_and_all_else_is_what_it_was() -> None:
    before, after = json.loads(FULL), json.loads(without(FULL, lambda name: name == "mail.test"))
    assert [found.domains[0] for found in held(json.dumps(after).encode())] == ["shop.test"]
    assert after["le"]["Certificates"] == before["le"]["Certificates"][:1]
    assert after["le"]["Account"] == before["le"]["Account"]
    assert after["other"] == {**before["other"], "Certificates": []}


def test_a_certificate_goes_with_any_of_its_names() -> None:
    assert held(without(storage(le=[entry(SHOP, "shop.test", "www.shop.test")]), "www.shop.test".__eq__)) == ()


def test_a_file_without_the_name_stays_byte_for_byte() -> None:
    assert without(FULL, lambda name: name == "other.test") is FULL


ODD = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"le": null}',
    b'{"le": "x"}',
    b'{"le": {"Certificates": null}}',
    b'{"le": {"Certificates": {"a": 1}}}',
    b'{"le": {"Certificates": ["x", null, {}, {"domain": "x"}, {"domain": {"main": 1, "sans": 2}, "certificate": "!"}]}}',
]


@pytest.mark.parametrize("content", ODD)
def test_a_file_that_is_empty_damaged_or_odd_holds_nothing_and_stays(content: bytes) -> None:
    assert held(content) == ()
    assert without(content, lambda name: True) in (content, without(content, lambda name: False))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["le", "Certificates", "domain", "main", "sans", "certificate"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(JSON)
@settings(max_examples=100, deadline=None)
def test_no_shape_of_the_file_is_more_than_can_be_read(data: Any) -> None:
    content = json.dumps(data).encode()
    assert held(content) == ()
    assert held(without(content, lambda name: True)) == ()


@pytest.mark.parametrize("hundredth", range(100))  # its length differs from run to run
def test_a_half_written_file_holds_nothing(hundredth: int) -> None:
    assert held(FULL[: len(FULL) * hundredth // 100]) == ()


def test_a_file_that_was_read_half_written_is_read_again_although_its_time_is_the_same(tmp_path: Path) -> None:
    path, files = tmp_path / "acme.json", AcmeFiles(tmp_path / "staging")
    path.write_bytes(FULL[:100])
    os.utime(path, ns=(1, 1))
    assert files.held(str(path)) == ()
    path.write_bytes(FULL)
    os.utime(path, ns=(1, 1))
    assert len(files.held(str(path))) == 3


def test_a_file_that_others_may_read_is_closed_to_them_once(tmp_path: Path) -> None:
    path, files = tmp_path / "acme.json", AcmeFiles(tmp_path / "staging")
    assert not files.guard(str(path))
    path.write_bytes(FULL)
    path.chmod(0o644)
    assert files.guard(str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert not files.guard(str(path))


def test_a_proxy_is_made_to_forget_names_by_one_rename_and_its_file_stays_closed(tmp_path: Path) -> None:
    path, files = tmp_path / "acme.json", AcmeFiles(tmp_path / "staging")
    path.write_bytes(FULL)
    before = path.stat().st_ino
    files.forget(str(path), ["mail.test"])
    assert [found.domains[0] for found in files.held(str(path))] == ["shop.test"]
    assert path.stat().st_ino != before
    assert path.stat().st_mode & 0o777 == 0o600


# How often


def orders(
    seconds: float, *, at_once: bool = False, step_s: float = 1.0, interrupted_every_s: float | None = None
) -> list[float]:
    """When orders for a domain began whose validation always fails, looked after every ``step_s``. ``at_once``: the proxy
    says so the next time one looks."""
    trial, began, now = Trial("a.test"), [], 0.0
    while now < seconds:
        if interrupted_every_s and now % interrupted_every_s < step_s:
            trial = given_up(trial, now)
        else:
            after = next_trial(trial, is_held=False, now=now, has_failed=at_once)
            began += [now] if after.began_at == now else []
            trial = after
        now += step_s
    return began


@pytest.mark.parametrize("at_once", [False, True])
def test_a_domain_that_always_fails_is_ordered_for_ten_times_a_day(at_once: bool) -> None:
    assert len(orders(DAY, at_once=at_once)) == 10


@pytest.mark.parametrize("at_once", [False, True])
def test_no_hour_of_failing_has_more_than_the_five_failures_that_lets_encrypt_allows(at_once: bool) -> None:
    began = orders(2 * DAY, at_once=at_once)
    assert max(sum(1 for each in began if start <= each < start + HOUR) for start in began) == 5


def test_a_domain_that_leads_here_only_now_and_then_is_not_ordered_for_more_often() -> None:
    began = orders(DAY, interrupted_every_s=30.0)
    assert max(sum(1 for each in began if start <= each < start + HOUR) for start in began) <= 5


def test_pauses_only_grow_and_end_at_six_hours() -> None:
    pauses = [later - earlier - ORDER_LASTS_S for earlier, later in pairwise(orders(4 * DAY, step_s=10.0))]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 6 * HOUR


def test_an_order_is_given_its_time_before_it_has_failed() -> None:
    begun = next_trial(Trial("a.test"), is_held=False, now=100.0)
    assert begun == Trial("a.test", 1, 100.0)
    assert next_trial(begun, is_held=False, now=100.0 + ORDER_LASTS_S - 1) is begun
    assert next_trial(begun, is_held=False, now=100.0 + ORDER_LASTS_S).began_at is None


@pytest.mark.parametrize("trial", [Trial("a.test", 4, 100.0), Trial("a.test", 4, None, 9e9)])
def test_a_certificate_that_came_ends_the_counting(trial: Trial) -> None:
    assert next_trial(trial, is_held=True, now=200.0) == Trial("a.test")


def test_giving_up_between_two_orders_changes_nothing() -> None:
    waiting = Trial("a.test", 3, None, 500.0)
    assert given_up(waiting, 100.0) is waiting
