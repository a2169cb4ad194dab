"""What the engine's own words, as Docker 20 to 28 write them, mean for an operator."""

from __future__ import annotations

import pytest

from reconciler.model.errors import EngineUnavailableError, StalledError, WaitingError
from reconciler.refusals import pull_refused, quoted, refused, start_refused, unreachable


@pytest.mark.parametrize(
    ("words", "port"),
    [
        (
            "driver failed programming external connectivity on endpoint shop-web-1 (0a1b): Bind for 0.0.0.0:8080 failed: "
            "port is already allocated",
            "0.0.0.0:8080/tcp",
        ),
        (
            "driver failed programming external connectivity on endpoint x (0a): Error starting userland proxy: listen "
            "tcp4 127.0.0.1:443: bind: address already in use",
            "127.0.0.1:443/tcp",
        ),
        ("Error starting userland proxy: listen udp6 [::]:53: bind: address already in use", "[::]:53/udp"),
        (
            "failed to set up container networking: driver failed programming external connectivity on endpoint x (0a): "
            "failed to bind host port for 0.0.0.0:80:172.17.0.2:80/tcp: address already in use",
            "0.0.0.0:80/tcp",
        ),
        ("failed to bind host port 0.0.0.0:80/tcp: address already in use", "0.0.0.0:80/tcp"),
    ],
)
def test_a_held_port_is_named_and_waited_for(words: str, port: str) -> None:
    error = start_refused("start shop-web-1", 500, words)
    assert isinstance(error, WaitingError)
    assert error.reason == "PortTaken"
    assert f"host port {port} is held" in str(error)


@pytest.mark.parametrize(
    "words",
    [
        "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
        'unable to start container process: exec: "nope": executable file not found in $PATH: unknown',
        "unable to find user nobody2: no matching entries in passwd file",
    ],
)
def test_what_can_never_run_stalls(words: str) -> None:
    error = start_refused("start shop-web-1", 400, words)
    assert isinstance(error, StalledError)
    assert error.reason == "StartFailed"


def test_a_file_of_the_host_that_is_not_there_yet_is_named_and_waited_for() -> None:
    words = 'invalid mount config for type "bind": bind source path does not exist: /srv/data/shop/my token'
    error = start_refused("create containers of web", 400, words)
    assert isinstance(error, WaitingError)
    assert error.reason == "FileMissing"
    assert "there is no /srv/data/shop/my token, which is to be mounted" in str(error)


@pytest.mark.parametrize(
    "words",
    [
        "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
        "unable to start container process: waiting for init preliminary setup: read init-p: connection reset by peer: unknown",
        "OCI runtime create failed: runc create failed: unable to start container process: fork: Resource temporarily unavailable",
        "failed to create shim task: context deadline exceeded: unknown",
    ],
)
def test_a_host_that_ran_short_for_a_moment_is_asked_again(words: str) -> None:
    """Incident: a release was put in quarantine because runc lost a connection to its own child."""
    error = start_refused("start shop-web-1", 500, words)
    assert isinstance(error, WaitingError)
    assert error.reason == "StartFailed"


def test_what_is_gone_is_looked_for_again() -> None:
    error = start_refused("start shop-web-1", 404, "No such container: 0a1b: no such file or directory")
    assert isinstance(error, WaitingError)
    assert error.reason == "NotFound"


@pytest.mark.parametrize(
    "error",
    [
        start_refused("start x", 500, "mkdir /var/lib/docker/overlay2/x: no space left on device"),
        refused("tag x", 500, "write /x: no space left on device"),
        pull_refused("shop:1", "failed to register layer: write /x: no space left on device"),
    ],
)
def test_a_full_disk_is_called_that_everywhere(error: WaitingError) -> None:
    assert isinstance(error, WaitingError)
    assert error.reason == "DiskFull"


@pytest.mark.parametrize(
    "words",
    [
        "manifest for shop:2 not found: manifest unknown: manifest unknown",
        "pull access denied for shop, repository does not exist or may require 'docker login'",
        'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
    ],
)
def test_whatever_a_registry_says_may_change(words: str) -> None:
    error = pull_refused("shop:2", words)
    assert isinstance(error, WaitingError)
    assert error.reason == "ImagePullFailed"
    assert "shop:2" in str(error)
    assert words in str(error)


def test_an_engine_that_is_not_ready_is_unavailable() -> None:
    assert isinstance(refused("list containers", 503, "starting"), EngineUnavailableError)


def test_who_may_not_use_the_engine_is_told_so_and_not_to_start_it() -> None:
    """As the SDK says it: the same thing three times over."""
    said = "('Connection aborted.', PermissionError(13, 'Permission denied'))"
    told = str(unreachable("unix:///run/docker.sock", f"Error while fetching server API version: {said}"))
    assert "at unix:///run/docker.sock: Permission denied; this user may not use it: run this as root" in told
    assert "dockerd" not in told


def test_a_request_that_is_wrong_stalls() -> None:
    assert isinstance(refused("update x", 400, "Minimum memory limit allowed is 6MB"), StalledError)


def test_quotes_are_one_line_and_not_endless() -> None:
    assert quoted(" one\n two  three\n") == "one two three"
    assert len(quoted("x" * 10_000)) == 400
