"""Laws of asking a registry: as little as can be, as whom Docker is logged in, and never a layer."""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from reconciler.model.errors import StalledError, WaitingError
from reconciler.planning.image_reference import ImageReference, parse_reference
from reconciler.updates.credentials import Login, authority_of, is_insecure, login_at
from reconciler.updates.registry import HttpRegistry
from tests.certificates import Authority
from tests.fakes.clock import FakeClock
from tests.fakes.registry import FakeRegistry, digest_of


@pytest.fixture
def double() -> Iterator[FakeRegistry]:
    with FakeRegistry().serving() as registry:
        yield registry


def client(login: Login | None = None) -> HttpRegistry:
    return HttpRegistry(FakeClock(), lambda registry: login or Login())


def shop(double: FakeRegistry) -> ImageReference:
    return parse_reference(f"{double.address}/team/shop:live")


def test_a_tag_is_resolved_by_a_header_alone(double: FakeRegistry) -> None:
    digest = double.push("team/shop", "live", "one")
    assert client().digest(shop(double), "live") == digest
    assert double.asked[-1] == "HEAD /v2/team/shop/manifests/live"


def test_what_did_not_change_is_not_told_again(double: FakeRegistry) -> None:
    double.push("team/shop", "live", "one")
    registry = client()
    assert registry.digest(shop(double), "live") == registry.digest(shop(double), "live")
    assert double.statuses[-1] == 304
    moved = double.push("team/shop", "live", "two")
    assert registry.digest(shop(double), "live") == moved


def test_a_registry_that_tells_no_digest_is_read_instead(double: FakeRegistry) -> None:
    double.tells_digests = False
    manifest = '{"schemaVersion": 2}'
    double.push("team/shop", "live", manifest)
    assert client().digest(shop(double), "live") == digest_of(manifest)


@pytest.mark.parametrize("answer", ["<html>Please log in</html>", '{"schemaVersion": 2, "layers"', '"welcome"', "7"])
def test_what_is_no_manifest_is_taken_for_no_image(double: FakeRegistry, answer: str) -> None:
    double.tells_digests = False
    double.push("team/shop", "live", answer)
    with pytest.raises(WaitingError, match="no manifest") as raised:
        client().digest(shop(double), "live")
    assert raised.value.reason == "RegistryUnavailable"


def test_all_pages_of_tags_are_read(double: FakeRegistry) -> None:
    wanted = {f"1.{minor}.0" for minor in range(25)}
    for tag in wanted:
        double.push("team/shop", tag, tag)
    double.page = 10
    assert set(client().tags(shop(double))) == wanted
    assert len([asked for asked in double.asked if "tags/list" in asked]) == 3


@pytest.mark.parametrize("by_token", [True, False])
def test_a_login_is_sent_the_way_the_registry_asks_for(double: FakeRegistry, by_token: bool) -> None:
    double.user, double.password, double.by_token = "ada", "p4ss", by_token
    digest = double.push("team/shop", "live", "one")
    registry = client(Login("ada", "p4ss"))
    assert registry.digest(shop(double), "live") == digest
    assert registry.digest(shop(double), "live") == digest
    assert double.statuses.count(401) == 1  # what worked is kept
    assert double.tokens_given == (1 if by_token else 0)


def test_a_token_that_counts_no_longer_is_asked_for_anew(double: FakeRegistry) -> None:
    double.user, double.password = "ada", "p4ss"
    digest = double.push("team/shop", "live", "one")
    registry = client(Login("ada", "p4ss"))
    registry.digest(shop(double), "live")
    double.tokens_given += 1
    assert registry.digest(shop(double), "live") == digest


def test_an_identity_token_takes_the_place_of_a_password(double: FakeRegistry) -> None:
    double.identity = "id-token"
    digest = double.push("team/shop", "live", "one")
    assert client(Login(token="id-token")).digest(shop(double), "live") == digest


@pytest.mark.parametrize("login", [None, Login("ada", "wrong")])
def test_a_registry_that_lets_nobody_in_says_how_to_log_in(double: FakeRegistry, login: Login | None) -> None:
    double.user, double.password = "ada", "p4ss"
    double.push("team/shop", "live", "one")
    with pytest.raises(StalledError, match=f"docker login {double.address}") as raised:
        client(login).digest(shop(double), "live")
    assert raised.value.reason == "RegistryDenied"
    assert "wrong" not in str(raised.value)


def test_a_deleted_tag_and_a_deleted_repository_are_told_apart(double: FakeRegistry) -> None:
    double.push("team/shop", "live", "one")
    with pytest.raises(WaitingError, match="the tag gone is not") as raised:
        client().digest(shop(double), "gone")
    assert raised.value.reason == "TagNotFound"
    with pytest.raises(WaitingError, match="no repository"):
        client().tags(parse_reference(f"{double.address}/team/other"))


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("90", 90.0),
        (formatdate(FakeClock().now() + 120, usegmt=True), 120.0),
        ("soon", 60.0),
        ("1", 60.0),
        ("9999999", 21600.0),
    ],
)
def test_a_limit_says_when_to_come_back(double: FakeRegistry, header: str, wait_s: float) -> None:
    double.push("team/shop", "live", "one")
    double.fails = (429, {"Retry-After": header})
    with pytest.raises(WaitingError) as raised:
        client().digest(shop(double), "live")
    assert raised.value.reason == "RateLimited"
    assert raised.value.retry_after_s == pytest.approx(wait_s, abs=1)


def test_a_registry_that_is_away_or_ill_is_waited_for(double: FakeRegistry) -> None:
    double.fails = (503, {})
    with pytest.raises(WaitingError, match="answers 503"):
        client().digest(shop(double), "live")
    with pytest.raises(WaitingError, match="does not answer") as raised:
        client().digest(parse_reference("127.0.0.1:1/team/shop"), "live")
    assert raised.value.reason == "RegistryUnavailable"


def test_logins_are_those_that_docker_keeps_helpers_included(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    helper = programs / "docker-credential-mine"
    helper.write_text('#!/bin/sh\necho \'{"Username": "bob", "Secret": "s3cret"}\'\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    config = tmp_path / "config.json"
    auth = base64.b64encode(b"ada:p4ss").decode()
    content = {"auths": {"plain.example.com": {"auth": auth}}, "credHelpers": {"helped.example.com": "mine"}}
    config.write_text(json.dumps(content))
    assert login_at("plain.example.com", config) == Login("ada", "p4ss")
    assert login_at("helped.example.com", config) == Login("bob", "s3cret")
    assert login_at("other.example.com", config) == Login()
    content["credHelpers"] = {"helped.example.com": "none-such"}
    config.write_text(json.dumps(content))
    with pytest.raises(StalledError, match=r"helped\.example\.com"):
        login_at("helped.example.com", config)


def test_without_tls_only_what_the_engine_takes_so(tmp_path: Path) -> None:
    settings = tmp_path / "daemon.json"
    settings.write_text('{"insecure-registries": ["lan.example.com:5000"]}')
    assert is_insecure("127.0.0.1:5000", settings)
    assert is_insecure("lan.example.com:5000", settings)
    assert not is_insecure("registry.example.com", settings)
    assert not is_insecure("127.example.com", settings)


@pytest.mark.parametrize("trusted_by", ["the engine's folder", "the system", ""])
def test_an_own_authority_is_trusted_where_the_engine_trusts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted_by: str
) -> None:
    authority = Authority(now=time.time())
    issued = authority.issue("127.0.0.1")
    (tmp_path / "both.pem").write_bytes(issued.chain_pem + issued.key_pem)
    identity = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    identity.load_cert_chain(tmp_path / "both.pem")
    with FakeRegistry().serving(identity) as double:
        folder = tmp_path / "certs.d"
        file = folder / double.address / "ca.crt" if trusted_by == "the engine's folder" else tmp_path / "system.pem"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(authority.root_pem)
        monkeypatch.setattr("reconciler.updates.registry.authority_of", lambda registry: authority_of(registry, folder))
        monkeypatch.setattr("reconciler.updates.registry.is_insecure", lambda registry: False)
        if trusted_by == "the system":
            monkeypatch.setenv("SSL_CERT_FILE", str(file))
        digest = double.push("team/shop", "live", "one")
        if trusted_by:
            assert client().digest(shop(double), "live") == digest
        else:
            with pytest.raises(WaitingError, match=r"does not answer: .*certificate verify failed"):
                client().digest(shop(double), "live")
