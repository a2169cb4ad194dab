"""What is asked of the program docker: written down by one that does nothing but that."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.backup.containers import Containers, Script
from reconciler.backup.engines import scripts_of
from reconciler.backup.entry import Backup
from reconciler.backup.restoring import Restorer
from reconciler.backup.sealing import Sealing
from reconciler.backup.standstill import Standstill
from reconciler.backup.store import Store
from reconciler.model.backup import Level
from reconciler.model.errors import WaitingError
from tests.fakes.clock import FakeClock

RECORDER = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word" | head -n 1; done >>"$RECORD"
echo --- >>"$RECORD"
[ "$1" != container ] || echo the-image
case "$*" in *slow*) exec sleep 60 ;; *dies*) echo 'no such thing' >&2; exit 3 ;; esac
[ "$1" != exec ] || cat >/dev/null
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[str]]]:
    """Of a docker that says nothing: each call's words, of each its first line."""
    program, record = tmp_path / "bin" / "docker", tmp_path / "record"
    program.parent.mkdir()
    program.write_text(RECORDER)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("RECORD", str(record))
    return lambda: [call.strip().splitlines() for call in record.read_text().split("---\n") if call]


def test_a_script_for_files_runs_beside_with_the_mounts_and_nothing_else_of_the_container(
    calls: Callable[[], list[list[str]]],
) -> None:
    ended = Containers("root").run("web", Script("true", {"BACKUP_LIVE": "/data"}, "dump", beside=True))
    (_, run) = calls()
    assert ended.status == 0
    assert run[:2] == ["run", "--rm"]
    for words in (["--network", "none"], ["--volumes-from", "web"], ["--pull", "never"], ["--entrypoint", "sh"]):
        assert words == run[run.index(words[0]) :][:2]
    assert "io.reconciler.backup=root" in run
    assert run[-4:] == ["the-image", "-c", "true", "dump"]


def test_what_must_come_to_its_end_is_not_swept_and_asks_nobody_whether_to_leave(
    calls: Callable[[], list[list[str]]],
) -> None:
    containers = Containers("root", stop=lambda: "SIGTERM")
    containers.run("web", Script("true", {}, "swap", beside=True), to_its_end=True)
    assert "io.reconciler.backup=root" not in calls()[-1]


def test_what_is_ended_is_taken_away_too(calls: Callable[[], list[list[str]]]) -> None:
    containers = Containers("root", stop=lambda: "SIGTERM")
    with pytest.raises(WaitingError, match="SIGTERM"):
        containers.run("web", Script("slow", {}, "dump", beside=True))
    run, removed = calls()[-2:]
    assert removed == ["rm", "--force", run[run.index("--name") + 1]]


def test_how_a_script_ended_and_what_it_said_is_told(calls: Callable[[], list[list[str]]]) -> None:
    ended = Containers("root").run("db", Script("dies", {}, "dump"))
    assert (ended.status, ended.err.strip()) == (3, "no such thing")


@pytest.mark.parametrize("name", ["postgres", "mariadb", "volume"])
def test_a_restore_hands_over_names_and_nothing_that_is_secret(
    name: str, calls: Callable[[], list[list[str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "pa$$word")
    monkeypatch.setenv("MYSQL_PWD", "pa$$word")
    containers, store = Containers("root"), Store(tmp_path)
    engine = scripts_of(name)
    backup = Backup("x", "shop", "db", name, "db", "/data", "keeper", 0.0, Level.L3, settings={"ENCODING": "UTF8"})
    store.dump("x").write_bytes(b"dump")
    standstill = Standstill(cast(Any, _Nobody()), lambda *_: ())
    restorer = Restorer(containers, standstill, FakeClock(), lambda: "", Sealing(tmp_path / "none"))
    monkeypatch.setattr(containers, "sharing", lambda *_: ())
    restorer.in_place(backup, store, engine, "db", drop_old=True)
    variables = [word for call in calls() for flag, word in pairwise(call) if flag == "--env"]
    known = {
        "BACKUP_DATABASE",
        "BACKUP_LIVE",
        "BACKUP_USER",
        "BACKUP_NEW",
        "BACKUP_OLD",
        "BACKUP_OWNERS",
        "BACKUP_ENCODING",
    }
    assert {word.partition("=")[0] for word in variables} == known
    assert "pa$$word" not in (tmp_path / "record").read_text()


class _Nobody:
    def containers(self, stack: str | None = None) -> tuple[()]:
        return ()


def test_what_is_put_in_comes_in_pieces_that_are_bounded(calls: Callable[[], list[list[str]]]) -> None:
    asked: list[int] = []

    class Large(io.RawIOBase):
        left = 20 * 1024 * 1024

        def read(self, size: int = -1) -> bytes:
            asked.append(size)
            self.left -= min(size, self.left)
            return b"x" * size if self.left else b""

    assert Containers("root").run("db", Script("true", {}, "restore"), source=Large()).status == 0
    assert set(asked) == {64 * 1024}
