"""``reconciler check``: each finding says what was found, what is wanted, and how to mend it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.cli import check
from reconciler.cli.check import Finding
from reconciler.cli.wiring import Parts
from reconciler.model.errors import EngineUnavailableError, StalledError
from tests.unit.cli_root import Root
from tests.unit.local_git import Work

NAMES = ["host.yaml", "root", "secrets", "disk", "engine", "compose", "git", "source"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Root]:
    """A host where all is well."""
    made = Root(tmp_path / "root")
    Work(tmp_path / "config").commit("First stack")
    made.layout.settings.write_text(f"source: {{url: {tmp_path}/config}}\n")
    monkeypatch.setattr(
        check, "_engine", lambda: Finding("engine", True, "Docker 26.1.5 at /sock", "Docker 25 or newer")
    )
    monkeypatch.setattr(Parts, "compose", SimpleNamespace(version=lambda: "2.26.1"))
    with made.journal:
        yield made


def finding(root: Root, name: str) -> dict[str, object]:
    done = root.call("check", "-o", "json")
    assert done.exit_code == 1
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert list(found) == NAMES
    assert [one for one in found if not found[one]["ok"]] == [name]
    return dict(found[name])


def test_a_host_where_all_is_well_ends_with_0_and_one_line_each(root: Root) -> None:
    done = root.call("check")
    assert done.exit_code == 0, done.output
    assert [line[:4] for line in done.stdout.splitlines()] == ["ok  "] * len(NAMES)
    assert "ok    compose     Docker Compose 2.26.1  (wanted: Docker Compose 2.20 or newer)\n" in done.stdout


def test_secrets_that_others_may_read_are_found_with_the_command_that_mends_it(root: Root) -> None:
    root.layout.env.mkdir(mode=0o700)
    file = root.layout.env / "web.env"
    file.write_text("A=1\n")
    file.chmod(0o644)
    assert finding(root, "secrets")["mend"] == f"chmod go= {file}"


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

    monkeypatch.setattr(check, "_version_of_git", missing)
    assert finding(root, "git")["mend"] == "install git (apt-get install git)"


def test_a_full_disk_is_found(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    assert "free some space" in str(finding(root, "disk")["mend"])


@pytest.mark.parametrize(
    ("answer", "ok"),
    [("26.1.5+dfsg1", True), ("25.0.0", True), ("20.10.24+dfsg1", False), ("", False)],
)
def test_the_engines_version_is_compared_as_numbers(monkeypatch: pytest.MonkeyPatch, answer: str, ok: bool) -> None:
    monkeypatch.setattr(check, "_ask_engine", lambda: ("unix:///sock", answer))
    assert check._engine().ok is ok


def test_an_engine_that_does_not_answer_is_found_with_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> tuple[str, str]:
        raise EngineUnavailableError("the Docker engine does not answer at unix:///sock")

    monkeypatch.setattr(check, "_ask_engine", away)
    found = check._engine()
    assert (found.ok, found.mend) == (False, "the Docker engine does not answer at unix:///sock")
