"""Which Traefiks are known on this host."""

from __future__ import annotations

from reconciler.model.desired import Release
from reconciler.traffic.known import KnownProxies
from tests.builders import ROOT, bind, manifest, release, traefik


def folder_of(stack: str) -> str:
    return f"{ROOT}/state/traefik/{stack}"


def stack_with_traefik(name: str) -> Release:
    proxy = traefik(volumes=[bind(folder_of(name))])
    return release({"traefik": proxy}, declared=manifest(stack=name, folder=name))


def test_those_of_the_release_itself_and_of_what_else_runs_are_known_and_each_release_is_read_once() -> None:
    applied, loaded = {"edge": 1, "shop": 7}, list[tuple[str, int]]()

    def load(stack: str, number: int) -> Release:
        loaded.append((stack, number))
        return stack_with_traefik(stack)

    known = KnownProxies(applied.items, load, folder_of)
    shop = stack_with_traefik("shop")
    assert [proxy.front.stack for proxy in known.serving(shop)] == ["shop", "edge"]
    assert [proxy.front.stack for proxy in known.serving(shop)] == ["shop", "edge"]
    assert loaded == [("edge", 1)]
    applied["edge"] = 2
    assert [proxy.front.stack for proxy in known.running("edge")] == ["edge"]
    assert known.running("nobody") == ()
    assert loaded == [("edge", 1), ("edge", 2)]
