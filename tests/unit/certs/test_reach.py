"""Whether a domain leads to this host: asked in the background, remembered for a while, said when it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

import pytest

from reconciler.certs import reach as module
from reconciler.certs.deciding import NOT_CHECKED
from reconciler.certs.reach import Here, Reach, why_not_here
from tests.fakes.clock import FakeClock

OURS = "our default certificate"
HERE = Here(frozenset({"203.0.113.7"}), OURS)


class Names:
    """What each domain resolves to, and who answers at an address; every look-up is counted."""

    def __init__(self) -> None:
        self.answers: dict[str, str | Exception] = {}
        self.asked: list[str] = []
        self.told = 0

    def why_not(self, domain: str, here: Here) -> str:
        self.asked.append(domain)
        answer = self.answers.get(domain, "")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def news(self) -> None:
        self.told += 1


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def reach(names: Names, clock: FakeClock) -> Iterator[Reach]:
    found = Reach(clock, names.news, names.why_not)
    yield found
    found.close()


def settled(reach: Reach) -> None:
    """All that was being asked is answered, and whoever waits for it was told."""
    reach._pool.submit(int).result()
    reach._pool.shutdown(wait=True)
    reach._pool = type(reach._pool)(1)
    assert reach.settled()


def ask(reach: Reach, *domains: str) -> Mapping[str, str]:
    """The answer that is there once it was asked for."""
    reach.why_not(domains, HERE)
    settled(reach)
    return reach.why_not(domains, HERE)


def test_nobody_waits_for_an_answer(names: Names, clock: FakeClock) -> None:
    going_on = threading.Event()

    def slow(domain: str, here: Here) -> str:
        going_on.wait()
        return ""

    reach = Reach(clock, names.news, slow)
    assert reach.why_not(["a.test"], HERE) == {"a.test": NOT_CHECKED}
    assert not reach.settled()
    going_on.set()
    settled(reach)
    assert reach.why_not(["a.test"], HERE) == {"a.test": ""}
    reach.close()


def test_an_answer_that_is_new_is_news_and_the_same_one_is_none(reach: Reach, names: Names, clock: FakeClock) -> None:
    names.answers["a.test"] = "elsewhere"
    assert ask(reach, "a.test") == {"a.test": "elsewhere"}
    assert names.told == 1
    clock.advance(3600.0)
    assert ask(reach, "a.test") == {"a.test": "elsewhere"}
    assert (names.told, len(names.asked)) == (1, 2)


def test_a_domain_that_leads_here_later_is_found_out_without_anybody(
    reach: Reach, names: Names, clock: FakeClock
) -> None:
    names.answers["a.test"] = "elsewhere"
    ask(reach, "a.test")
    names.answers["a.test"] = ""
    clock.advance(60.0)
    assert reach.why_not(["a.test"], HERE) == {"a.test": "elsewhere"}  # the last answer, meanwhile
    settled(reach)
    assert reach.why_not(["a.test"], HERE) == {"a.test": ""}
    assert names.told == 2


def test_a_good_answer_is_kept_longer_than_a_bad_one_and_neither_for_ever(
    reach: Reach, names: Names, clock: FakeClock
) -> None:
    names.answers["bad.test"] = "elsewhere"
    ask(reach, "good.test", "bad.test")
    clock.advance(60.0)
    ask(reach, "good.test", "bad.test")
    assert sorted(names.asked) == ["bad.test", "bad.test", "good.test"]
    clock.advance(301.0)
    ask(reach, "good.test")
    assert names.asked.count("good.test") == 2


def test_a_domain_is_asked_for_once_however_often_one_looks(names: Names, clock: FakeClock) -> None:
    going_on = threading.Event()

    def slow(domain: str, here: Here) -> str:
        going_on.wait()
        return names.why_not(domain, here)

    reach = Reach(clock, names.news, slow)
    for _ in range(5):
        reach.why_not(["a.test"], HERE)
    going_on.set()
    settled(reach)
    assert names.asked == ["a.test"]
    reach.close()


def test_a_look_up_that_fails_in_a_way_nobody_foresaw_is_made_again(
    reach: Reach, names: Names, clock: FakeClock
) -> None:
    names.answers["a.test"] = RuntimeError("odd")
    assert "could not be looked up" in ask(reach, "a.test")["a.test"]
    names.answers["a.test"] = ""
    clock.advance(60.0)
    assert ask(reach, "a.test") == {"a.test": ""}


# What leads here


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    def asked(*addresses: str, own: tuple[str, ...] = (), shows: Mapping[str, str] | None = None) -> str:
        monkeypatch.setattr(module, "addresses_of", lambda name: addresses)
        monkeypatch.setattr(module, "is_own_address", lambda address: address in own)
        monkeypatch.setattr(module, "fingerprint_at", lambda address, port, name: (shows or {}).get(address))
        return why_not_here("a.test", HERE)

    return asked


def test_a_name_that_does_not_resolve_says_which_record_to_create(resolve: Callable[..., str]) -> None:
    assert "a.test does not resolve; create its A or AAAA record" in resolve()


@pytest.mark.parametrize(
    ("addresses", "own", "shows"),
    [
        (("10.0.0.1",), ("10.0.0.1",), {}),
        (("203.0.113.7",), (), {}),
        (("198.51.100.1",), (), {"198.51.100.1": OURS}),
        (("10.0.0.1", "203.0.113.7", "198.51.100.1"), ("10.0.0.1",), {"198.51.100.1": OURS}),
    ],
)
def test_a_name_leads_here_by_an_own_address_a_listed_one_or_by_what_we_show_there(
    resolve: Callable[..., str], addresses: tuple[str, ...], own: tuple[str, ...], shows: Mapping[str, str]
) -> None:
    assert resolve(*addresses, own=own, shows=shows) == ""


@pytest.mark.parametrize("shows", [{}, {"198.51.100.1": "another certificate"}])
def test_a_name_with_one_address_elsewhere_does_not_lead_here(
    resolve: Callable[..., str], shows: Mapping[str, str]
) -> None:
    """The CA may take that one."""
    why = resolve("10.0.0.1", "198.51.100.1", own=("10.0.0.1",), shows=shows)
    assert "a.test resolves to 198.51.100.1, which is not this host" in why
    assert "certs.addresses in host.yaml" in why
    assert "10.0.0.1" not in why


def test_a_resolver_that_turns_the_addresses_round_is_no_news(resolve: Callable[..., str]) -> None:
    assert resolve("198.51.100.1", "198.51.100.2") == resolve("198.51.100.2", "198.51.100.1")
