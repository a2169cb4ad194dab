"""``reconciler check``: each finding says what was found, what is wanted, and how to mend it."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.adapters.docker_engine import machine as engine_side
from reconciler.adapters.docker_engine.machine import EngineMachine, Published
from reconciler.cli import host_looks
from reconciler.cli.wiring import Parts
from reconciler.model.errors import EngineUnavailableError, StalledError
from reconciler.preflight import looks
from tests.integration.cli_root import Root
from tests.integration.local_git import Work

NAMES = ["host.yaml", "root", "secrets", "disk", "engine", "compose", "git", "source", "clock"]


# What Compose makes of the stack: a port, and a domain of this very machine.
MODEL = {
    "name": "web",
    "services": {
        "web": {
            "image": "web:1",
            "ports": [{"target": 80, "published": "8080", "protocol": "tcp"}],
            "labels": {"traefik.http.routers.web.rule": "Host(`shop.localhost`)"},
        }
    },
}


def engine_of(version: str) -> EngineMachine:
    return EngineMachine("unix:///sock", version, cpus=2, memory=4 * 10**9, folder="")


@pytest.fixture
def config(tmp_path: Path) -> Work:
    made = Work(tmp_path / "config")
    made.write("web/compose.yaml", "services: {}\n")
    made.write("web/stack.yaml", "requires: {cpus: 2, memory: 4GB, disk: 50GB}\n")
    made.commit("First stack")
    return made


@pytest.fixture
def root(tmp_path: Path, config: Work, monkeypatch: pytest.MonkeyPatch) -> Iterator[Root]:
    """A host where all is well."""
    made = Root(tmp_path / "root")
    made.layout.settings.write_text(f"source: {{url: {config.folder}}}\n")
    monkeypatch.setattr(engine_side, "engine_machine", lambda: engine_of("26.1.5"))
    monkeypatch.setattr(engine_side, "published", lambda: ())
    monkeypatch.setattr(looks, "clock_is_kept", lambda: True)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=90 * 10**9, total=100 * 10**9))
    monkeypatch.setattr(Parts, "compose", SimpleNamespace(version=lambda: "2.26.1", render=lambda *_: MODEL))
    with made.journal:
        yield made


def finding(root: Root, name: str) -> dict[str, object]:
    done = root.call("check", "-o", "json")
    assert done.exit_code == 1
    found = {one["name"]: one for one in json.loads(done.stdout) if not one["stack"]}
    assert list(found) == NAMES
    assert [one for one in found if not found[one]["ok"]] == [name]
    return dict(found[name])


def test_a_host_where_all_is_well_ends_with_0_and_one_line_each(root: Root) -> None:
    done = root.call("check")
    assert done.exit_code == 0, done.output
    marks = [line[:4] for line in done.stdout.splitlines() if line[4:6] == "  "]
    assert marks == ["ok  "] * (len(NAMES) + 6)
    assert done.stdout.index("\nweb\n") > done.stdout.index("ok    clock")
    assert "ok    compose     Docker Compose 2.26.1  (wanted: Docker Compose 2.20 or newer)\n" in done.stdout


def test_a_root_that_cannot_be_written_to_is_found_by_its_folder(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(dir: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", f"{dir}/tmp1234")

    monkeypatch.setattr("tempfile.TemporaryFile", read_only)
    found = host_looks.root(root.layout)
    assert (found.ok, found.found) == (False, f"{root.layout.root}: Read-only file system")
    assert found.mend.endswith(f"findmnt -T {root.layout.root}")


def test_secrets_that_others_may_read_are_found_with_the_command_that_mends_it(root: Root) -> None:
    root.layout.env.mkdir(mode=0o700)
    file = root.layout.env / "web.env"
    file.write_text("A=1\n")
    file.chmod(0o644)
    assert finding(root, "secrets")["mend"] == f"chmod go= {file}"


def test_a_token_that_others_may_read_is_a_secret_wherever_it_lies(root: Root, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("glpat-hunter2\n")
    token.chmod(0o640)
    root.layout.settings.write_text(f"source: {{url: https://localhost:1/x.git, passwordFile: {token}}}\n")
    done = root.call("check", "-o", "json")
    assert {one["name"]: one["mend"] for one in json.loads(done.stdout)}["secrets"] == f"chmod go= {token}"
    assert "hunter2" not in done.output


def test_a_repository_that_cannot_be_fetched_is_found_with_the_reason(root: Root, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "config")
    found = finding(root, "source")
    assert found["found"] == "it could not be fetched"
    assert "there is no repository at " in str(found["mend"])


def test_a_host_yaml_with_problems_lists_them_and_the_source_is_not_blamed(root: Root) -> None:
    root.layout.settings.write_text("source: {url: http://x/y}\n")
    done = root.call("check")
    assert done.exit_code == 1
    assert "FAIL  host.yaml   it has problems" in done.stdout
    assert "source.url: http neither encrypts nor proves who answers" in done.stdout
    assert "FAIL  source      unknown while host.yaml has problems" in done.stdout


def test_a_compose_that_is_missing_is_found_with_where_to_get_it(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise StalledError("there is no Docker Compose on this host: install it", reason="ToolMissing")

    monkeypatch.setattr(Parts, "compose", SimpleNamespace(version=missing))
    assert finding(root, "compose")["mend"] == "there is no Docker Compose on this host: install it"


def test_a_git_that_is_missing_is_found(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(host_looks, "_version_of_git", missing)
    assert finding(root, "git")["mend"] == "install git (apt-get install git)"


def test_a_full_disk_is_found(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20, total=1 << 40))
    assert "free some space" in str(finding(root, "disk")["mend"])


@pytest.mark.parametrize(
    ("answer", "ok"),
    [("26.1.5+dfsg1", True), ("25.0.0", True), ("20.10.24+dfsg1", False), ("", False)],
)
def test_the_engines_version_is_compared_as_numbers(monkeypatch: pytest.MonkeyPatch, answer: str, ok: bool) -> None:
    monkeypatch.setattr(engine_side, "engine_machine", lambda: engine_of(answer))
    assert host_looks.engine().ok is ok


def test_an_engine_that_does_not_answer_is_found_with_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> EngineMachine:
        raise EngineUnavailableError("the Docker engine does not answer at unix:///sock")

    monkeypatch.setattr(engine_side, "engine_machine", away)
    found = host_looks.engine()
    assert (found.ok, found.mend) == (False, "the Docker engine does not answer at unix:///sock")


def of_stack(root: Root) -> dict[str, dict[str, object]]:
    done = root.call("check", "-o", "json")
    return {one["name"]: one for one in json.loads(done.stdout) if one["stack"] == "web"}


def test_what_a_stack_requires_and_the_host_lacks_is_a_warning_and_ends_with_0(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_side, "engine_machine", lambda: replace(engine_of("26.1.5"), cpus=1, memory=2 * 10**9))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=20 * 10**9, total=100 * 10**9))
    done = root.call("check")
    assert done.exit_code == 0
    assert "warn  cpus        1  (wanted: 2)\n      to mend: give the machine more cores" in done.stdout
    found = of_stack(root)
    assert [name for name in found if found[name]["level"] == "warning"] == [
        "cpus",
        "memory",
        "disk",
    ]


def test_a_port_that_somebody_else_holds_is_an_error_that_names_who(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Published("old-web-1", "old", "", frozenset({"8080/tcp"}))
    monkeypatch.setattr(engine_side, "published", lambda: (held,))
    assert root.call("check").exit_code == 1
    assert of_stack(root)["port 8080"]["found"] == "held by the container old-web-1 of the project old"


def test_a_stack_whose_files_are_wrong_says_so_and_the_host_is_judged_all_the_same(root: Root, config: Work) -> None:
    config.write("web/stack.yaml", "requires: {memory: lots}\n")
    config.commit("Second stack")
    done = root.call("check")
    assert done.exit_code == 1
    assert "FAIL  files       they cannot be used as they are" in done.stdout
    assert "web/stack.yaml:1: requires.memory: " in done.stdout
