"""The file that the fronts of a stack read: put there once for all of them, and taken back whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.certs.publishing import FILE, Publisher
from reconciler.planning.fronts import Front
from tests.fakes.watched import MOVED_TO, watched

SHOP, MAIL = Front("shop", "traefik"), Front("mail", "traefik")
SECOND = Front("shop", "second", owner=(65534, 65534))


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(lambda stack: tmp_path / stack, tmp_path / "staging")


def test_each_stack_gets_its_file_and_what_it_held_before_is_known(publisher: Publisher) -> None:
    publisher.publish({SHOP: b"one"})
    published = publisher.publish({SHOP: b"two", MAIL: b"three"})
    assert published.before == {SHOP: b"one", MAIL: None}
    assert (publisher.content(SHOP), publisher.content(MAIL)) == (b"two", b"three")


def test_equal_bytes_are_no_publication(publisher: Publisher) -> None:
    publisher.publish({SHOP: b"one"})
    assert not publisher.publish({SHOP: b"one"})


def test_what_is_taken_back_is_what_was_there_and_a_first_file_stays_until_the_next(publisher: Publisher) -> None:
    publisher.publish({SHOP: b"one"})
    publisher.take_back(publisher.publish({SHOP: b"two", MAIL: b"three"}))
    assert (publisher.content(SHOP), publisher.content(MAIL)) == (b"one", b"three")


def test_two_fronts_of_a_stack_do_not_take_turns_at_the_file_that_both_read(
    publisher: Publisher, tmp_path: Path
) -> None:
    publisher.publish({SHOP: b"one"})
    with watched(tmp_path / "shop") as told:
        publisher.publish({SHOP: b"two", SECOND: b"another"})
        assert not publisher.publish({SHOP: b"two", SECOND: b"another"})
    assert told == [(MOVED_TO, FILE)]
    assert publisher.content(SHOP) == b"two"
