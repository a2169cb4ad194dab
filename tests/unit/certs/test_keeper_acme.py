"""Names that no pair covers: ordered for where they lead here, said where they do not, and never owned by two."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.certs.scene import DAY, Scene


@pytest.fixture
def ordering(make: Callable[..., Scene]) -> Scene:
    return make("a.test", orders=True)


def orders(scene: Scene) -> list[str]:
    return [
        router["tls"]["domains"][0]["main"] for router in scene.published().get("http", {}).get("routers", {}).values()
    ]


def test_a_name_without_a_pair_is_ordered_for_where_it_leads_here(ordering: Scene) -> None:
    ordering.settle()
    assert orders(ordering) == ["a.test"]
    assert ordering.reasons() == ["CertificateOrdered"]


def test_an_order_that_leads_to_nothing_is_ended_and_said_and_made_again_once_in_a_while(ordering: Scene) -> None:
    ordering.settle()
    seen = []
    for _ in range(30):
        ordering.turn(every_s=10.0)
        seen.append(bool(orders(ordering)))
    assert seen[0] is False
    assert 1 <= seen.count(True) <= 2
    assert ordering.reasons()[:2] == ["CertificateOrdered", "OrderFailed"]


def test_nothing_is_settled_while_an_order_is_under_way_and_it_is_once_that_led_to_nothing(ordering: Scene) -> None:
    ordering.settle()
    assert not ordering.keeper.settled()
    ordering.turn(every_s=120.0)
    assert ordering.reasons()[1:] == ["OrderFailed"]
    assert ordering.keeper.settled()


def test_a_name_that_does_not_lead_here_gets_no_resolver_that_is_said_and_it_mends_itself(ordering: Scene) -> None:
    ordering.elsewhere["a.test"] = "a.test does not resolve"
    ordering.settle()
    assert orders(ordering) == []
    assert [(event.reason, event.message) for event in ordering.events()] == [
        ("DomainUncovered", "a.test: a.test does not resolve")
    ]
    ordering.elsewhere.clear()
    ordering.clock.advance(60.0)
    ordering.settle()
    assert orders(ordering) == ["a.test"]


def test_a_pair_that_is_dropped_takes_over_from_acme_and_nothing_is_ordered(ordering: Scene) -> None:
    ordering.settle()
    shop = ordering.drop("shop", ordering.issue("a.test"))
    ordering.settle()
    assert orders(ordering) == []
    assert ordering.shows("a.test") == shop.fingerprint


def test_a_dropped_pair_that_expired_is_withdrawn_in_favour_of_acme(ordering: Scene) -> None:
    ordering.drop("shop", ordering.issue("a.test", days=10))
    ordering.settle()
    assert orders(ordering) == []
    ordering.clock.advance(11 * DAY)
    ordering.settle()
    assert "certificates" not in ordering.published()["tls"]
    assert orders(ordering) == ["a.test"]


def test_a_name_that_a_narrower_pair_leaves_out_goes_to_acme(make: Callable[..., Scene]) -> None:
    scene = make("a.test", "b.test", orders=True)
    scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.settle()
    narrow = scene.drop("shop", scene.issue("a.test"))
    scene.settle()
    scene.settle()
    assert scene.shows("a.test") == narrow.fingerprint
    assert orders(scene) == ["b.test"]


def test_a_name_whose_pair_was_taken_back_is_left_to_acme(ordering: Scene) -> None:
    ordering.traefik.mood = "stubborn"
    ordering.drop("shop", ordering.issue("a.test"))
    ordering.settle()
    ordering.settle()
    assert orders(ordering) == ["a.test"]


def test_what_a_front_has_been_given_stays_when_its_stack_is_laid_out_again(ordering: Scene) -> None:
    ordering.settle()
    before = ordering.file.read_bytes()
    assert orders(ordering) == ["a.test"]
    ordering.keeper.lay_out(ordering.release, ordering.manifest)
    assert ordering.file.read_bytes() == before
