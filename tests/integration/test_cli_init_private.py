"""``reconciler init`` and a Git server that wants more than an address: asked for, tried, and kept where only root reads it."""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reconciler.adapters.docker_engine import machine as engine_side
from reconciler.adapters.docker_engine.machine import EngineMachine
from reconciler.cli.main import cli
from reconciler.cli.setup import asking
from reconciler.model.manifest import SourceSettings
from reconciler.settings import load_settings
from reconciler.supervision import systemd
from tests.e2e.git_servers import Authority, HttpsServer, https_server
from tests.integration.local_git import Work

TOKEN = "glpat-hunter2"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpsServer]:
    """Its certificate is of an authority that nobody knows; somebody sits at the terminal of a host where all is well."""
    config = Work(tmp_path / "config")
    config.commit("First", {"stacks/README": "nothing yet\n"})
    (tmp_path / "repositories").mkdir()
    config.git("clone", "--quiet", "--bare", ".", str(tmp_path / "repositories/config.git"))
    engine = EngineMachine("unix:///sock", "26.1.5", cpus=2, memory=4 * 10**9, folder="")
    monkeypatch.setattr(engine_side, "engine_machine", lambda: engine)
    monkeypatch.setattr(engine_side, "published", lambda: ())
    monkeypatch.setattr(asking, "can_ask", lambda: True)
    monkeypatch.setattr(systemd, "is_there", lambda: False)
    with https_server(tmp_path / "repositories", Authority(tmp_path / "authority").make()) as serving:
        serving.login = f"deploy:{TOKEN}"
        yield serving


def init(folder: Path, *typed: str) -> Result:
    text = "".join(f"{line}\n" for line in typed)
    return CliRunner().invoke(cli, ["init", str(folder / "root")], prog_name="reconciler", input=text)


def source_of(folder: Path) -> SourceSettings:
    return load_settings((folder / "root/host.yaml").read_bytes(), "").source


def test_an_own_authority_and_a_token_are_asked_for_and_a_wrong_one_again(server: HttpsServer, tmp_path: Path) -> None:
    authority = str(tmp_path / "authority/ca.crt")
    done = init(
        tmp_path,
        *(server.url("config.git"), "", "stacks"),
        *("/nowhere.pem", authority),
        *("deploy", "wrong-hunter2", "wrong-hunter2"),
        *("", TOKEN, TOKEN),  # Enter takes the name that was given before
        "n",
    )
    assert done.exit_code == 0, done.output
    told = [
        "is not trusted on this host",
        "there is no file /nowhere.pem",
        "wants a login",
        "refuses the login",
        "read  ",
    ]
    places = [done.output.find(words) for words in told]
    assert places == sorted(places), done.output
    assert -1 not in places, done.output
    assert "hunter2" not in done.output
    source = source_of(tmp_path)
    token = tmp_path / "root/env/source-token"
    assert (source.ca_file, source.username, source.password_file) == (authority, "deploy", str(token))
    assert token.read_text() == f"{TOKEN}\n"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert "hunter2" not in (tmp_path / "root/host.yaml").read_text()


def test_whoever_has_no_token_or_authority_may_name_another_repository(server: HttpsServer, tmp_path: Path) -> None:
    authority = str(tmp_path / "authority/ca.crt")
    mistyped = (server.url("config.git"), "", "stacks")
    done = init(tmp_path, *mistyped, "", *mistyped, authority, "", "", str(tmp_path / "config"), "", "", "n")
    assert done.exit_code == 0, done.output
    assert source_of(tmp_path).url == str(tmp_path / "config")
    assert not (tmp_path / "root/env/source-token").exists()


def test_a_token_is_not_shown_to_another_server_that_is_named_next(server: HttpsServer, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    with https_server(tmp_path / "repositories", authority) as other:
        other.login = "deploy:another"
        done = init(
            tmp_path,
            *(server.url("mistyped.git"), "", "stacks", str(authority.file), "deploy", TOKEN, TOKEN),
            *("", ""),  # there is no such repository: back to the address
            *(other.url("config.git"), "", "", "deploy", "another", "another", "n"),
        )
    assert done.exit_code == 0, done.output
    assert server.logins_seen[-1] != ""
    sent = {base64.b64decode(seen.removeprefix("Basic ")).decode() for seen in other.logins_seen}
    assert sent == {"", "deploy:another"}


def test_a_name_in_the_address_is_offered_and_a_file_that_others_could_read_is_closed(
    server: HttpsServer, tmp_path: Path
) -> None:
    (tmp_path / "root/env").mkdir(mode=0o700, parents=True)
    (tmp_path / "root/env/source-token").touch(mode=0o644)
    address = server.url("config.git", login="deploy@")
    done = init(tmp_path, address, "", "stacks", str(tmp_path / "authority/ca.crt"), "", TOKEN, TOKEN, "n")
    assert done.exit_code == 0, done.output
    assert source_of(tmp_path).username == "deploy"
    assert stat.S_IMODE((tmp_path / "root/env/source-token").stat().st_mode) == 0o600
