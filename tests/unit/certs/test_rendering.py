"""The one file that Traefik reads: what it means as YAML, that it is the same every time, and that nothing gets into it."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
import yaml

from reconciler.certs.model import Pair
from reconciler.certs.rendering import Default, Order, render
from tests.certificates import Authority

CA = Authority()
SHOP, MAIL = CA.issue("shop.test"), CA.issue("mail.test")
NOBODY = CA.issue("default.invalid")
DEFAULT = Default(NOBODY.chain_pem, NOBODY.key_pem, NOBODY.fingerprint)


def pair(issued: Any, *domains: str) -> Pair:
    return Pair("any", issued.chain_pem, issued.key_pem, domains, "Test", issued.fingerprint, 0.0, 1.0)


PAIRS = (pair(MAIL, "mail.test"), pair(SHOP, "shop.test"))


def read(content: bytes) -> Any:
    """As Traefik reads a file that is called .yml."""
    return yaml.safe_load(content)


def texts(found: Any) -> list[str]:
    """Every text in it, whatever its place."""
    if isinstance(found, str):
        return [found]
    parts = [*found, *found.values()] if isinstance(found, dict) else found
    return [text for part in parts for text in texts(part)]


def files(issued: Any) -> dict[str, str]:
    return {"certFile": issued.chain_pem.decode(), "keyFile": issued.key_pem.decode()}


def test_the_pairs_and_the_default_are_in_the_file_whole() -> None:
    assert read(render(PAIRS, DEFAULT)) == {
        "tls": {
            "stores": {"default": {"defaultCertificate": files(NOBODY)}},
            "certificates": [files(MAIL), files(SHOP)],
        }
    }


def test_without_pairs_there_is_no_empty_list_but_always_the_default() -> None:
    assert read(render((), DEFAULT)) == {"tls": {"stores": {"default": {"defaultCertificate": files(NOBODY)}}}}


def test_an_order_is_a_router_of_that_domain_alone_that_answers_nobody() -> None:
    order = Order("a.test", "le", ("websecure",), "modern@file")
    assert read(render((), DEFAULT, [order]))["http"] == {
        "routers": {
            "acme-a-test": {
                "rule": "Host(`a.test`) && Path(`/.well-known/reconciler/le`)",
                "service": "noop@internal",
                "entryPoints": ["websecure"],
                "tls": {"certResolver": "le", "domains": [{"main": "a.test"}], "options": "modern@file"},
            }
        }
    }


def test_the_order_in_which_pairs_and_orders_come_changes_no_byte() -> None:
    pairs = (*PAIRS, pair(NOBODY, "a.test", "b.test"))
    orders = [Order(name, "le") for name in ("a.test", "b.test", "c.test")]
    found = {render(each, DEFAULT, orders) for each in permutations(pairs)}
    found |= {render(pairs, DEFAULT, each) for each in permutations(orders)}
    assert len(found) == 1


def test_domains_that_look_alike_have_routers_of_their_own() -> None:
    names = ["a.b-c.test", "a-b.c.test", "a.b.c.test", "a--b.c.test", "*.test"]
    assert len(read(render((), DEFAULT, [Order(name, "le") for name in names]))["http"]["routers"]) == len(names)


ODD = ["{{", "{{ env `HOME` }}", "a{{b.test", "a`) || Host(`b", "a\nb", "\x7f", "\x85", "é", "\U0001f600", " ", "a b"]


@pytest.mark.parametrize("word", ODD)
@pytest.mark.parametrize("place", ["domain", "resolver", "entry_points", "options"])
def test_no_word_of_a_label_makes_the_file_a_template_or_unreadable(place: str, word: str) -> None:
    plain = Order("a.test", "le", ("websecure",), "modern")
    changed: dict[str, Any] = {place: ("websecure", word) if place == "entry_points" else word}
    odd = replace(plain, **changed)
    content = render(PAIRS, DEFAULT, [odd, Order("b.test", "le")])
    assert b"{{" not in content
    assert word not in texts(read(content)["http"])
    assert read(content)["tls"] == read(render(PAIRS, DEFAULT))["tls"]
    assert "acme-b-test" in read(content)["http"]["routers"]


def test_nothing_that_is_rendered_from_shows_its_key() -> None:
    secret = NOBODY.key_pem.decode().splitlines()[1]
    assert secret not in repr(DEFAULT)
    assert secret not in repr(pair(NOBODY, "a.test"))
