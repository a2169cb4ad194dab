"""A stack takes over from a project that was brought up by hand: with its data, and back again until somebody confirms it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.layout import Layout
from tests.e2e.old_project import OldProject, old_project
from tests.e2e.starting import Started
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine

SAMPLE = Path(__file__).parents[2] / "desired_state" / "upsignon" / "compose.yaml"
STACK = "upsignon"
MANIFEST = {
    "rollout": {"soak": "100ms", "timeout": "60s"},
    "backups": {"db": {"postgres": {"service": "postgres", "database": "pro"}, "every": "1d", "verify": "restore"}},
}
OTHERS_LINE = "5 4 * * * /usr/local/bin/something-else"


@pytest.fixture
def old(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[OldProject]:
    made = old_project(world)
    _lay_out_cron(world, made, monkeypatch)
    try:
        yield made
    finally:
        world.clean_stacks()
        for image in ("postgres", "app", "traefik"):
            world.docker("rmi", f"old-{world.suffix}/{image}:latest")


def _lay_out_cron(world: World, old: OldProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crontab of the scenario's own."""
    programs, table = world.home / "bin", world.home / "crontab"
    programs.mkdir()
    program = programs / "crontab"
    program.write_text(f'#!/bin/sh\n[ "$1" = -l ] && exec cat {table}\nexec cat >{table}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    table.write_text(f"{OTHERS_LINE}\n0 1 * * * {old.folder}/scripts/update.sh -certs\n")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")


def commit_stack(world: World, old: OldProject) -> None:
    """The sample, with the fixed names that the old project has."""
    text = SAMPLE.read_text()
    for service in ("server", "postgres"):
        text = text.replace(f"\n  {service}:\n", f"\n  {service}:\n    container_name: {old.fixed_name(service)}\n", 1)
    world.commit(world.compose(STACK, text, MANIFEST))
    own = {
        **dict.fromkeys(("SERVER_IMAGE", "DASHBOARD_IMAGE"), "rig/app:2"),
        **dict.fromkeys(("SERVER_HEALTHCHECK", "DASHBOARD_HEALTHCHECK"), "healthcheck"),
        "TRAEFIK_IMAGE": "rig/traefik:3",
        "POSTGRES_IMAGE": "rig/postgres:15",
        "HTTPS_PORT": str(old.tls_port),
    }
    world.write_environment(STACK, "".join(f"{name}={value}\n" for name, value in own.items()))


def cron(world: World) -> list[str]:
    return (world.home / "crontab").read_text().splitlines()


def test_a_project_of_old_is_adopted_with_its_data_and_sent_back_until_it_is_confirmed(
    world: World, old: OldProject
) -> None:
    commit_stack(world, old)
    old.up()
    old.answer("/", "POST")
    before, content, written = old.state(), old.dump(old.fixed_name("postgres")), _texts(world)

    shown = world.cli("adopt", str(old.folder), "--dry-run")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "docker-compose.yml" in shown.stdout
    assert "p4ss" not in shown.stdout
    assert (old.state(), cron(world)[1:], _texts(world)) == (before, [_line(old)], written)

    kill_while_it_changes_hands(world, old)
    undone = world.cli("adopt", "--undo", "--yes")
    assert undone.returncode == 0, undone.stdout + undone.stderr
    assert_serves_as_before(world, old, before, written)

    done = world.cli("adopt", str(old.folder), "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {state[1:] for state in old.state().values()} == {("exited", "no")}
    assert old.dump(old.fixed_name("postgres")) == content
    assert old.answer("/") == "version 2, 1 rows\n"
    assert old.fingerprint() == old.issued.fingerprint
    assert cron(world) == [OTHERS_LINE]
    dump = world.root / "backups" / world.name(STACK) / "adopted" / "2026-01-01-01-00-00.dump"
    assert dump.read_bytes() == (old.folder / "backup" / dump.name).read_bytes()
    assert [found["state"] for found in _backups(world)] == ["verified"]

    old.answer("/", "POST")
    assert world.cli("adopt", "--undo", "--yes").returncode == 0
    assert_serves_as_before(world, old, before, written)
    assert old.answer("/") == "version 1, 2 rows\n", "what the stack wrote into the kept volume is lost"

    assert world.cli("adopt", str(old.folder), "--yes", "--without-dump").returncode == 0
    confirmed = world.cli("adopt", "--confirm", "--yes")
    assert confirmed.returncode == 0, confirmed.stdout + confirmed.stderr
    assert old.state() == {}
    assert old.answer("/") == "version 2, 2 rows\n"
    assert (old.folder / ".env").exists()
    assert world.status(STACK)["ready"] == "True"


def kill_while_it_changes_hands(world: World, old: OldProject) -> None:
    """When the first old container was stopped."""
    words = ("--root", str(world.root), "adopt", str(old.folder), "--yes", "--without-dump")
    log = world.home / "killed.log"
    process = Started(words, dict(os.environ), log, log)
    eventually(lambda: [one for one in old.state().values() if one[1] == "exited"])
    process.kill()
    assert json.loads(Layout(world.root).adoption.read_text())["phase"] == "standing"


def assert_serves_as_before(
    world: World, old: OldProject, before: dict[str, tuple[str, str, str]], written: dict[str, str]
) -> None:
    assert old.state() == before
    assert world.containers(STACK) == []
    assert sorted(cron(world)) == sorted([OTHERS_LINE, _line(old)])
    assert _texts(world) == written
    eventually(lambda: old.answer("/"), lambda seen: "version 1" in seen)


def _line(old: OldProject) -> str:
    return f"0 1 * * * {old.folder}/scripts/update.sh -certs"


def _texts(world: World) -> dict[str, str]:
    """What people write, by its path."""
    places = ("host.yaml", "env/*.env", "certs/*")
    return {str(path): path.read_text() for place in places for path in sorted(world.root.glob(place))}


def _backups(world: World) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(world.cli("backup", "list", world.name(STACK), "-o", "json").stdout)
    return found
