"""What a one-off container is made from."""

from __future__ import annotations

from reconciler.hooks.one_off import one_off_model
from tests.builders import model

WEB = {"labels": {"traefik.enable": "true", "io.reconciler.root": "r"}, "depends_on": ["db"]}
MODEL = model({"web": WEB, "db": {"labels": {"traefik.enable": "true"}}}, networks={"back": {}})


def test_no_proxy_sends_requests_to_it_and_it_stays_ours() -> None:
    found = one_off_model(MODEL, "web", frozenset())
    assert found["services"]["web"]["labels"] == {"io.reconciler.root": "r"}
    assert "depends_on" not in found["services"]["web"]
    assert "traefik.enable" in MODEL["services"]["web"]["labels"]  # the release's own is as it was


def test_networks_that_are_there_are_taken_as_they_are() -> None:
    found = one_off_model(MODEL, "web", frozenset({"shop_back"}))
    assert found["networks"] == {"default": {"name": "shop_default"}, "back": {"name": "shop_back", "external": True}}
