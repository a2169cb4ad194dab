"""What the engine's JSON means, on answers as Docker 26.1 gives them."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.adapters.docker_engine.read import Reader, image, seconds, signature
from reconciler.adapters.docker_engine.resources import Capacity
from reconciler.model.desired import LABEL_DEFINITION, LABEL_ROOT, LABEL_STACK
from reconciler.model.observed import Endpoint, Probe, State

ID = "6daf16caec35f637bc0802ad61b329c1d1fdf5b4f58b8ded6f032324c35a7392"
OTHER = "bd56bb974f18d8265debd76458b43378021bd3ad8c17dc564f7d01dee9074c4d"
READER = Reader("root-1", Capacity(2, 8 << 30))
LABELS = {
    "com.docker.compose.project": "shop",
    "com.docker.compose.service": "web",
    "com.docker.compose.container-number": "2",
    "com.docker.compose.oneoff": "False",
}
OURS = {LABEL_ROOT: "root-1", LABEL_STACK: "shop", LABEL_DEFINITION: "abc"}


def inspected(labels: dict[str, str] | None = None, **parts: dict[str, Any]) -> dict[str, Any]:
    """As ``GET /containers/{id}/json``; ``parts`` are laid over its sections."""
    base: dict[str, Any] = {
        "Id": ID,
        "Name": "/shop-web-2",
        "Image": "sha256:1",
        "RestartCount": 3,
        "Mounts": [],
        "State": {"Status": "running", "ExitCode": 0, "StartedAt": "2026-11-24T18:35:13.216254547Z"},
        "Config": {"Image": "shop:1", "Labels": {**LABELS, **(labels or {})}},
        "HostConfig": {"NetworkMode": "shop_default", "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}},
        "NetworkSettings": {"Networks": {"shop_default": {"Aliases": ["shop-web-2", "web"]}}, "Ports": {}},
    }
    for section, content in parts.items():
        base[section] = {**base[section], **content} if isinstance(base[section], dict) else content
    return base


def test_a_container_is_read_whole() -> None:
    found = READER.container(inspected(OURS))
    assert (found.id, found.name, found.stack, found.service, found.number) == (ID, "shop-web-2", "shop", "web", 2)
    assert (found.definition, found.owned, found.oneoff) == ("abc", True, False)
    assert (found.image, found.image_id, found.state, found.probe) == ("shop:1", "sha256:1", State.RUNNING, Probe.NONE)
    assert found.restart_count == 3
    assert found.started_at == pytest.approx(1795545313.216254, abs=1e-3)


@pytest.mark.parametrize(
    ("labels", "owned", "stack"),
    [
        (OURS, True, "shop"),
        ({**OURS, LABEL_ROOT: "another root"}, False, "shop"),
        ({LABEL_ROOT: "root-1"}, False, "shop"),
        ({}, False, "shop"),
        ({**OURS, LABEL_STACK: "store"}, True, "store"),
    ],
)
def test_ours_is_what_carries_our_root_and_a_stack(labels: dict[str, str], owned: bool, stack: str) -> None:
    found = READER.container(inspected(labels))
    assert (found.owned, found.stack) == (owned, stack)


@pytest.mark.parametrize("health", ["starting", "healthy", "unhealthy"])
def test_the_healthchecks_verdict_is_the_probe(health: str) -> None:
    state = {"Health": {"Status": health, "FailingStreak": 0, "Log": []}}
    assert READER.container(inspected(State=state)).probe == Probe(health)


@pytest.mark.parametrize("health", [None, {}, {"Status": "none"}, {"Status": ""}])
def test_no_verdict_is_no_probe(health: object) -> None:
    assert READER.container(inspected(State={"Health": health})).probe is Probe.NONE


def test_an_alias_that_the_engine_adds_itself_is_not_read() -> None:
    """Before API 1.45 the short id appears among the aliases, and only after the start."""
    networks = {"shop_default": {"Aliases": ["web", ID[:12], "shop-web-2"], "IPAMConfig": {"IPv4Address": "10.1.0.9"}}}
    found = READER.container(inspected(NetworkSettings={"Networks": networks}))
    assert found.settings.endpoints == (Endpoint("shop_default", ("shop-web-2", "web"), "10.1.0.9"),)


@pytest.mark.parametrize("mode", ["host", "none", f"container:{OTHER}"])
def test_without_a_network_of_its_own_there_are_no_endpoints(mode: str) -> None:
    found = inspected(HostConfig={"NetworkMode": mode}, NetworkSettings={"Networks": {"host": {"NetworkID": "1"}}})
    assert READER.container(found).settings.endpoints == ()


def test_whoever_lends_a_namespace_or_volumes_is_joined() -> None:
    host_config = {"NetworkMode": f"container:{OTHER}", "PidMode": f"container:{OTHER}", "VolumesFrom": ["abc:ro"]}
    assert READER.container(inspected(HostConfig=host_config)).joins == ("abc", OTHER)


@pytest.mark.parametrize(
    ("mount", "anonymous"),
    [
        (
            {"Type": "volume", "Name": "68b5a86310beec21c80b758d533958877556d1e7cb45b6af3385557f209f1446"[:63] + "a"},
            True,
        ),
        ({"Type": "volume", "Name": "shop_data"}, False),
        ({"Type": "bind", "Source": "/srv"}, False),
        ({"Type": "tmpfs"}, False),
    ],
)
def test_a_volume_that_nobody_named_is_anonymous(mount: dict[str, str], anonymous: bool) -> None:
    details = inspected()
    details["Mounts"] = [{**mount, "Name": (mount.get("Name") or "").ljust(64, "0")} if anonymous else mount]
    assert READER.container(details).has_anonymous_volumes is anonymous


def test_ports_are_those_asked_for_and_those_given() -> None:
    asked = {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "81/udp": [{"HostIp": "::1", "HostPort": "8081"}]}
    asked["82/tcp"] = [{"HostIp": "", "HostPort": ""}]
    given = {"82/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}], "83/tcp": None}
    found = READER.container(inspected(HostConfig={"PortBindings": asked}, NetworkSettings={"Ports": given}))
    assert found.ports == ("0.0.0.0:32768/tcp", "0.0.0.0:8080/tcp", "::1:8081/udp")


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("0001-01-01T00:00:00Z", 0.0),
        ("", 0.0),
        ("1970-01-01T00:00:10Z", 10.0),
        ("1970-01-01T00:00:10.5Z", 10.5),
        ("1970-01-01T02:00:10.123456789+02:00", 10.123456789),
    ],
)
def test_times_are_seconds_since_the_epoch(timestamp: str, expected: float) -> None:
    assert seconds(timestamp) == pytest.approx(expected, abs=1e-6)


def test_an_image_may_have_no_settings_and_no_labels() -> None:
    details: dict[str, Any] = {"Id": "sha256:1", "RepoDigests": ["shop@sha256:2"], "Config": {"Labels": None}}
    assert image(details).repo_digests == ("shop@sha256:2",)
    assert image(details).labels == {}
    assert image({"Id": "sha256:1", "Config": None}).labels == {}


def listed(**changes: object) -> dict[str, object]:
    return {
        "Id": ID,
        "Names": ["/shop-web-2"],
        "ImageID": "sha256:1",
        "State": "running",
        "Status": "Up 3 minutes (healthy)",
        "NetworkSettings": {"Networks": {"shop_default": {"EndpointID": "e1"}}},
        **changes,
    }


def test_the_time_that_passes_does_not_change_a_signature() -> None:
    assert signature(listed()) == signature(listed(Status="Up 4 minutes (healthy)"))


@pytest.mark.parametrize(
    "changes",
    [
        {"State": "exited", "Status": "Exited (0) 1 second ago"},
        {"Status": "Up 3 minutes (unhealthy)"},
        {"Names": ["/other"]},
        {"ImageID": "sha256:2"},
        {"NetworkSettings": {"Networks": {}}},
        {"NetworkSettings": {"Networks": {"shop_default": {"EndpointID": "e2"}}}},
    ],
)
def test_whatever_the_list_shows_of_a_change_changes_the_signature(changes: dict[str, object]) -> None:
    assert signature(listed()) != signature(listed(**changes))
