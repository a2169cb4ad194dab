"""What Compose says, from 2.26 to 2.40, and what it means."""

from __future__ import annotations

import pytest

from reconciler.adapters.compose.needs import closure
from reconciler.adapters.compose.words import (
    Complaint,
    complaint,
    failure,
    required_variable,
    unset_variables,
)
from reconciler.model.errors import EngineUnavailableError, StalledError, WaitingError

UNSET = r'time="2026-11-24T18:41:37Z" level=warning msg="The \"{}\" variable is not set. Defaulting to a blank string."'
FOLDERS = ("/tmp/x/shop",)


def test_unset_variables_are_found_once_each() -> None:
    said = "\n".join(UNSET.format(name) for name in ("TAG", "A_1", "TAG"))
    assert unset_variables(said) == ("TAG", "A_1")


def test_a_required_variable_comes_with_its_words() -> None:
    said = "error while interpolating services.web.image: required variable TAG is missing a value"
    assert required_variable(said) == ("TAG", "")
    assert required_variable(said + ": give a tag") == ("TAG", "give a tag")
    assert required_variable("something else") is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "validating /tmp/x/shop/compose.yaml: services.web Additional property imge is not allowed",
            Complaint("compose.yaml", 0, "services.web.imge", "this key is unknown here"),
        ),
        (
            "validating /tmp/x/shop/compose.yaml: services.web additional properties 'imge' not allowed",
            Complaint("compose.yaml", 0, "services.web.imge", "this key is unknown here"),
        ),
        (
            "yaml: line 3: found character that cannot start any token",
            Complaint("", 3, "", "found character that cannot start any token"),
        ),
        (
            "failed to parse /tmp/x/shop/sub/compose.yaml: yaml: line 3: found character",
            Complaint("sub/compose.yaml", 3, "", "found character"),
        ),
        (
            'yaml: unmarshal errors:\n  line 3: mapping key "a" already defined at line 2',
            Complaint("", 3, "", 'mapping key "a" already defined at line 2'),
        ),
        (
            'service "web" refers to undefined network back: invalid compose project',
            Complaint("", 0, "services.web", 'service "web" refers to undefined network back'),
        ),
        (
            f"{UNSET.format('X')}\nopen /tmp/x/shop/none.yaml: no such file or directory",
            Complaint("", 0, "", "open none.yaml: no such file or directory"),
        ),
    ],
)
def test_a_complaint_names_file_line_and_key_where_compose_does(said: str, expected: Complaint) -> None:
    assert complaint(said, FOLDERS) == expected


@pytest.mark.parametrize(
    ("said", "kind", "reason", "telling"),
    [
        ("Error response from daemon: No such image: shop:1", WaitingError, "ImageMissing", "image shop:1"),
        (
            "Error response from daemon: network back not found",
            WaitingError,
            "NetworkMissing",
            "docker network create back",
        ),
        (
            "network back declared as external, but could not be found",
            WaitingError,
            "NetworkMissing",
            "docker network create back",
        ),
        ('external volume "data" not found', WaitingError, "VolumeMissing", "docker volume create data"),
        (
            'Error response from daemon: Conflict. The container name "/db" is already in use by container "0a1b". You '
            "have to remove (or rename) that container to be able to reuse that name.",
            WaitingError,
            "NameTaken",
            "the name db",
        ),
        (
            " Container shop-web-1  Starting\nError response from daemon: driver failed programming external connectivity: "
            "Bind for 0.0.0.0:80 failed: port is already allocated",
            WaitingError,
            "PortTaken",
            "0.0.0.0:80/tcp",
        ),
        ("write /var/lib/docker/tmp/x: no space left on device", WaitingError, "DiskFull", "make room"),
        ("Error response from daemon: OCI runtime create failed: x", StalledError, "StartFailed", "OCI runtime"),
        ("no such service: nosuch", StalledError, "ComposeRefused", "no such service: nosuch"),
        ("compose build requires buildx 0.17 or later", StalledError, "ToolMissing", "upgrade docker-buildx"),
        ("", StalledError, "ComposeRefused", "it said nothing"),
    ],
)
def test_a_failure_says_whether_time_or_a_person_mends_it(
    said: str, kind: type[Exception], reason: str, telling: str
) -> None:
    error = failure("create containers of web", said)
    assert type(error) is kind
    assert error.reason == reason
    assert telling in str(error)
    assert "create containers of web" in str(error)


def test_an_engine_that_is_gone_is_told_apart() -> None:
    said = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    assert isinstance(failure("create", said), EngineUnavailableError)


def test_a_service_is_taken_along_by_whoever_needs_it() -> None:
    model = {
        "services": {
            "web": {"depends_on": {"api": {"condition": "service_started"}}, "links": ["cache:c"]},
            "api": {"network_mode": "service:vpn", "volumes_from": ["files:ro"]},
            "vpn": {"pid": "service:init", "ipc": "host"},
            "loop": {"depends_on": {"loop": {}}},
            **{name: {} for name in ("cache", "files", "init", "alone")},
        }
    }
    assert closure(model, ["web"]) == {"web", "api", "cache", "vpn", "files", "init"}
    assert closure(model, ["loop"]) == {"loop"}
    assert closure(model, []) == set(model["services"])
