"""What a plan tells the proxies, and when: nobody is ever sent to a container that is not proven, or stops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.model.desired import nothing_of
from reconciler.model.manifest import Rollout, ServiceRollout
from reconciler.model.observed import Probe, State
from reconciler.model.plan import Plan
from tests.builders import bare, decide, healthy, led, made, manifest, port, release, seen, steps, story, traefik

PIN = "send what is for web to shop-web-1"
BACK = "send what is for web to whoever has its name"


def shop(user: str = "0", scale: int = 1, proxy: dict[str, Any] | None = None, **more: Any) -> Any:
    web = healthy(user=user, scale=scale, **{"labels": led("web"), **more})
    return release({"traefik": proxy or traefik(), "web": web})


def of_web(found: Plan) -> list[str]:
    return [text for text in steps(found) if "web" in text]


def swap(scale: int = 1) -> Plan:
    before, wanted = shop(scale=scale), shop("1000", scale)
    running = [made(before, "web", number + 1) for number in range(scale)]
    observed = seen(made(wanted, "traefik"), *running, of=[wanted, before])
    return decide(wanted, observed, previous=before)


def test_traffic_is_pinned_before_the_new_one_starts_and_goes_over_before_the_old_one_stops() -> None:
    assert of_web(swap()) == [
        "make new containers for web",
        PIN,
        "start web's new container",
        "wait until web is healthy (within 2m), and for 5s more",
        "send what is for web to web's new container",
        "let shop-web-1 end what is under way (10s at most)",
        "stop shop-web-1",
        BACK,
        "remove shop-web-1, its volumes stay",
    ]


def test_of_several_each_is_succeeded_whole_while_the_others_are_asked() -> None:
    assert [text for text in of_web(swap(scale=2)) if text.startswith(("send", "start", "stop", "let"))] == [
        "send what is for web to shop-web-1, shop-web-2",
        "start web's new container",
        "send what is for web to shop-web-2, web's new container",
        "let shop-web-1 end what is under way (10s at most)",
        "stop shop-web-1",
        "start web's new container 2",
        "send what is for web to web's new container, web's new container 2",
        "let shop-web-2 end what is under way (10s at most)",
        "stop shop-web-2",
        BACK,
    ]


def test_the_name_comes_back_only_once_the_release_is_proven() -> None:
    found = swap()
    told = steps(found)
    assert told.index(BACK) >= found.proven_after > told.index("stop shop-web-1")


def test_a_service_that_grows_is_asked_nothing_new_before_that_is_proven() -> None:
    before, wanted = shop(), shop(scale=2)
    found = decide(wanted, seen(made(before, "traefik"), made(before, "web"), of=wanted), previous=before)
    told = of_web(found)
    assert told.index(PIN) < told.index("start web's new container") < told.index(BACK)


def test_a_service_that_shrinks_is_left_before_it_stops() -> None:
    before, wanted = shop(scale=2), shop()
    running = (made(before, "web"), made(before, "web", 2))
    found = decide(wanted, seen(made(before, "traefik"), *running, of=wanted), previous=before)
    assert of_web(found)[1:5] == [
        PIN,
        "let shop-web-2 end what is under way (10s at most)",
        "stop shop-web-2",
        BACK,
    ]


def test_of_a_new_service_the_proxies_know_before_anything_starts() -> None:
    wanted = shop()
    assert steps(decide(wanted, bare(wanted, astray=frozenset({"web"}))))[0] == BACK


def test_what_was_left_pinned_is_mended_and_what_is_as_it_should_be_is_not_touched() -> None:
    wanted = shop()
    there = seen(made(wanted, "traefik"), made(wanted, "web"), of=wanted)
    assert decide(wanted, there).empty
    assert steps(decide(wanted, replace(there, astray=frozenset({"web"})))) == [BACK]


def test_a_release_is_undone_by_sending_traffic_back_before_the_new_one_goes() -> None:
    before, wanted = shop(), shop("1000")
    new = made(wanted, "web", 2)
    old = made(before, "web", state=State.EXITED)
    found = decide(before, seen(made(before, "traefik"), old, new, of=[before, wanted], unfinished=True))
    told = of_web(found)
    order = ["send what is for web to shop-web-2", "start shop-web-1", PIN, "stop shop-web-2", BACK]
    assert [text for text in told if text in order] == order


def test_a_release_that_failed_before_the_old_one_stopped_is_undone_without_a_start() -> None:
    before, wanted = shop(), shop("1000")
    there = seen(
        made(before, "traefik"),
        made(before, "web"),
        made(wanted, "web", 2),
        of=[before, wanted],
        astray=frozenset({"web"}),
    )
    told = of_web(decide(before, there))
    assert [text for text in told if text.startswith(("send", "start", "stop"))] == [PIN, "stop shop-web-2", BACK]


def test_of_a_swap_that_was_cut_short_the_old_one_is_pinned_anew_before_the_new_one_is_waited_for() -> None:
    before, wanted = shop(), shop("1000")
    there = seen(
        made(before, "traefik"),
        made(before, "web"),
        made(wanted, "web", 2, probe=Probe.STARTING),
        of=[before, wanted],
        unfinished=True,
    )
    told = of_web(decide(wanted, there, previous=before))
    assert told[:3] == [
        PIN,
        "wait until web is healthy (within 2m), and for 5s more",
        "send what is for web to shop-web-2",
    ]


def test_what_no_release_leads_to_any_more_is_dropped_last() -> None:
    wanted = release({"traefik": traefik()})
    there = seen(made(wanted, "traefik"), of=wanted, unled=frozenset({"web"}))
    assert steps(decide(wanted, there)) == ["tell the proxies no more of web"]
    gone = decide(nothing_of("shop"), replace(there, containers=()))
    assert "tell the proxies no more of web" in steps(gone)


def test_what_is_no_longer_led_is_dropped_as_soon_as_nothing_is_there_to_lead_to() -> None:
    before, wanted = shop(), shop(user="1", labels={"traefik.enable": "false"})
    there = seen(made(before, "traefik"), made(before, "web"), of=[before, wanted], unled=frozenset({"web"}))
    told = steps(decide(wanted, there, previous=before))
    assert told.index("tell the proxies no more of web") == told.index("stop shop-web-1") + 1
    assert told.count("tell the proxies no more of web") == 1


def test_what_prune_leaves_running_is_not_dropped() -> None:
    before, wanted = shop(), release({"traefik": traefik()})
    there = seen(made(wanted, "traefik"), made(before, "web"), of=wanted, unled=frozenset({"web"}))
    declared = manifest(prune=replace(manifest().prune, enabled=False))
    assert decide(wanted, there, previous=before, declared=declared).empty


def test_a_swap_that_may_lose_requests_says_so_and_why() -> None:
    before, wanted = shop(scale=2, labels=STICKY), shop("1000", 2, labels=STICKY)
    running = (made(before, "web"), made(before, "web", 2))
    found = decide(wanted, seen(made(wanted, "traefik"), *running, of=[wanted, before]), previous=before)
    assert "may lose requests" in story(found)
    assert "sticky sessions" in story(found)
    assert found.notes == ()


STICKY = led("web", **{"traefik.http.services.web.loadbalancer.sticky.cookie": "true"})


def test_who_says_how_to_drain_is_drained_without_traefik_and_not_warned() -> None:
    before, wanted = release({"web": {}}), release({"web": {"user": "1"}})
    declared = replace(manifest(), rollout=Rollout(services={"web": ServiceRollout(drain_s=30.0)}))
    found = decide(wanted, seen(made(before, "web"), of=[before, wanted]), previous=before, declared=declared)
    told = steps(found)
    assert told.index("let shop-web-1 end what is under way (30s at most)") == told.index("stop shop-web-1") - 1
    assert found.costs == ()


def test_the_replacing_of_the_proxy_itself_is_announced() -> None:
    before, wanted = (shop(proxy=traefik(ports=[port(443)], user=user)) for user in ("0", "1"))
    there = seen(made(before, "traefik"), made(before, "web"), of=[before, wanted])
    (cost,) = decide(wanted, there, previous=before).costs
    assert "nobody answers on port 443" in cost
