"""``reconciler env``, and what a pass, ``diff`` and ``get`` say of variables, on a host in memory with a real repository."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from reconciler.cli.main import cli
from reconciler.cli.wiring import Parts
from tests.fakes.engine import FakeEngine
from tests.integration.test_cli_passes import World

SCHEMA = """{"required": ["PASSWORD"], "properties": {
"PASSWORD": {"description": "Of the database.", "secret": true},
"SESSION": {"description": "Signs sessions.", "minLength": 16},
"DOMAIN": {"description": "Where people go.", "format": "domain", "examples": ["web.example.com"]},
"LEVEL": {"description": "Of the log.", "enum": ["debug", "info"], "default": "info"}}}
"""
STACK = "env: {files: [stack.env], generate: {SESSION: {}}, immutable: [PASSWORD]}\n"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path)
    monkeypatch.setattr(Parts, "engine", FakeEngine(made.host))
    monkeypatch.setattr(Parts, "compose", made.compose)
    monkeypatch.setattr(Parts, "clock", made.host.clock)
    made.repository.write("web/env.schema.json", SCHEMA)
    made.repository.write("web/stack.yaml", STACK)
    made.repository.write("web/stack.env", "DOMAIN=web.example.com\n")
    with made.root.journal:
        yield made


def env(world: World, text: str) -> Path:
    path = world.root.layout.env / "web.env"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_all_that_is_wrong_is_said_at_once_and_ends_with_1(world: World) -> None:
    world.commit("Web", web="app:1")
    env(world, "DOMAIN=https://hunter2.example.com\nSESION=x\n")
    done = world.call("env", "check", "web")
    assert done.stdout.splitlines() == [
        "env/web.env: PASSWORD: not set, but required: add PASSWORD=... to the file (Of the database.)",
        "env/web.env:1: DOMAIN: expected a domain such as vault.example.com, without https:// before it (Where people go.)",
        'warning: env/web.env:2: SESION: web/env.schema.json knows no such variable; did you mean "SESSION"?',
        "warning: env/web.env: SESSION: it is not set yet; it is generated when the stack is next reconciled, and written "
        "there",
    ]
    assert done.stderr == "web: 2 things are wrong with its variables; what runs is left as it is\n"
    assert done.exit_code == 1


def test_programs_get_the_same_as_json(world: World) -> None:
    world.commit("Web", web="app:1")
    env(world, "PASSWORD=hunter2\nSESSION=short\n")
    done = world.call("env", "check", "web", "-o", "json")
    assert json.loads(done.stdout) == [
        {
            "severity": "error",
            "file": "env/web.env",
            "line": 2,
            "variable": "SESSION",
            "message": "it has 5 characters; at least 16 are wanted (Signs sessions.)",
        }
    ]
    assert done.exit_code == 1


def test_where_each_value_comes_from_is_shown_and_no_value(world: World) -> None:
    world.commit("Web", web="app:1")
    env(world, "PASSWORD=hunter2\nGREETING=hello\n")
    done = world.call("env", "show", "web")
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        "VARIABLE  VALUE    FROM                 KIND                         FOR",
        "PASSWORD  set      env/web.env:1        required, secret, immutable  Of the database.",
        "SESSION   not set                       secret, generated            Signs sessions.",
        "DOMAIN    set      web/stack.env:1                                   Where people go.",
        "LEVEL     default  web/env.schema.json                               Of the log.",
        "GREETING  set      env/web.env:2                                     (no schema describes it)",
    ]
    assert "hunter2" not in world.call("env", "show", "web", "-o", "json").stdout


def test_a_bad_environment_stops_the_new_and_lets_the_old_run(world: World) -> None:
    world.commit("Web", web="app:1")
    env(world, "PASSWORD=hunter2\n")
    assert world.call("once").exit_code == 0
    world.commit("Newer", web="app:2")
    env(world, "PASSWORD=hunter2\nDOMAIN=nowhere\nSESSION=0123456789abcdef\n")
    done = world.call("once")
    assert done.exit_code == 1
    assert "InvalidConfiguration" in done.stdout
    assert "env/web.env:2: DOMAIN: expected a domain such as vault.example.com (Where people go.)" in done.stdout
    assert [box.image for box in world.host.boxes.values()] == ["app:1"]
    assert world.call("diff", "web").exit_code == 2


def test_a_slip_is_warned_about_wherever_somebody_looks(world: World) -> None:
    world.commit("Web", web="app:1")
    env(world, "PASSWORD=hunter2\nLEVLE=debug\n")
    warning = 'env/web.env:2: LEVLE: web/env.schema.json knows no such variable; did you mean "LEVEL"?'
    assert f"Note: {warning}" in world.call("diff", "web").stdout
    assert world.call("once").exit_code == 0
    assert f"release 1 is healthy; {warning}" in world.call("get", "-o", "json").stdout.replace('\\"', '"')
    assert any(warning in event.message for event in world.root.journal.events())


def test_looking_makes_no_secret_and_the_first_pass_does(world: World) -> None:
    world.commit("Web", web="app:1")
    path = env(world, "PASSWORD=hunter2\n")
    looked = world.call("diff", "web")
    assert "Note: env/web.env: SESSION: it is not set yet; it is generated when" in looked.stdout
    assert path.read_text() == "PASSWORD=hunter2\n"
    assert world.call("once").exit_code == 0
    assert "\nSESSION=" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert world.call("diff", "web").exit_code == 0


def test_a_changed_password_is_refused_and_can_be_accepted_by_a_person(world: World) -> None:
    world.commit("Web", web="app:1")
    env(world, "PASSWORD=hunter2\nSESSION=0123456789abcdef\n")
    assert world.call("once").exit_code == 0
    env(world, "PASSWORD=hunter3\nSESSION=0123456789abcdef\n")
    done = world.call("once")
    assert "PASSWORD: it may not change after the first release, and did." in done.stdout
    assert "hunter" not in done.stdout
    accepted = world.call("env", "accept", "web", "PASSWORD")
    assert accepted.stdout == "web: the value of PASSWORD in env/web.env counts from now on\n"
    assert world.call("once").exit_code == 0
    env(world, "PASSWORD=hunter2\nSESSION=0123456789abcdef\n")
    assert world.call("once").exit_code == 1


def test_only_what_is_remembered_can_be_accepted(world: World) -> None:
    world.commit("Web", web="app:1")
    env(world, "PASSWORD=hunter2\n")
    world.call("once")
    done = world.call("env", "accept", "web", "DOMAIN")
    assert done.exit_code == 2
    assert done.stderr == (
        "error: web: nothing is remembered of DOMAIN that could be in the way (only of PASSWORD, SESSION)\n"
    )


def example(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["env", "example", *words], prog_name="reconciler")
    return done.exit_code, done.stdout, done.stderr


def test_an_example_is_made_in_a_checkout_without_any_root(tmp_path: Path) -> None:
    (tmp_path / "env.schema.json").write_text(SCHEMA)
    (tmp_path / "stack.yaml").write_text("env: {generate: {SESSION: {}}}\n")
    status, text, _ = example(str(tmp_path))
    assert status == 0
    assert [line for line in text.splitlines() if "=" in line] == [
        "PASSWORD=",
        "# SESSION=",
        "# DOMAIN=web.example.com",
        "# LEVEL=info",
    ]
    assert example(str(tmp_path), "--check")[0] == 1
    assert example(str(tmp_path), "--write") == (0, f"wrote {tmp_path / '.env.example'}\n", "")
    assert (tmp_path / ".env.example").read_text() == text
    assert example(str(tmp_path), "--check") == (0, "", "")


def test_where_there_is_no_schema_an_example_says_so(tmp_path: Path) -> None:
    status, _, error = example(str(tmp_path))
    assert status == 2
    assert error.startswith(f"error: there is no {tmp_path / 'env.schema.json'} to make an example from")
