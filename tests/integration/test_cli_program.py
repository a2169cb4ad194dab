"""What holds for the whole program: what it loads, how it logs, how it is told to leave, how it prints."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from reconciler.cli import logs, output
from reconciler.cli.options import Options
from reconciler.cli.signals import leaving_on_signals
from tests.integration.cli_root import WEB, Root

_HEAVY = {"docker", "git", "jsonschema", "yaml", "structlog", "rich", "watchdog", "reconciler.model.plan"}


# Loading


@pytest.mark.parametrize("words", [["get"], ["get", "-o", "json"], ["history", "web"], ["events"], ["wait", "web"]])
def test_commands_that_only_read_the_journal_load_no_sdk(tmp_path: Path, words: list[str]) -> None:
    root = Root(tmp_path / "root")
    root.save(WEB)
    root.journal.close()
    program = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('LOADED', *sys.modules, file=sys.stderr))\n"
        "from reconciler.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--root", str(root.layout.root), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(done.stderr.partition("LOADED ")[2].split())
    assert "reconciler.cli.roots" in loaded
    assert loaded & _HEAVY == set()


def test_the_daemons_process_does_not_load_rich() -> None:
    program = (
        "import sys, logging\n"
        "from reconciler.cli import logs\n"
        "logs.configure(logging.INFO)\n"
        "import reconciler.daemon.daemon\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] == 'rich'))\n"
        "import rich.table\n"  # whoever wants it afterwards gets it
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


# Logs


@pytest.fixture
def fresh_logs() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_a_pipe_gets_one_json_object_a_line_with_the_time_in_utc(
    fresh_logs: None, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(logging.INFO)
    structlog.get_logger().info("step_done", stack="web", step=3)
    found = json.loads(capsys.readouterr().err)
    assert found.pop("timestamp").endswith("Z")
    assert found == {"event": "step_done", "level": "info", "stack": "web", "step": 3}


def test_a_terminal_gets_lines_that_name_the_stack(
    fresh_logs: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    logs.configure(logging.INFO)
    structlog.get_logger().warning("fetch_failed", stack="web", why="two words", empty="")
    line = capsys.readouterr().err
    assert line[23:] == " warning  fetch_failed  stack=web why='two words'\n"


def test_no_log_line_can_steer_the_terminal(
    fresh_logs: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    logs.configure(logging.INFO)
    structlog.get_logger().info("progress", what="\x1b[2Jgone")
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize("on_terminal", [True, False])
def test_an_exception_is_logged_whole_and_without_the_values_of_variables(
    fresh_logs: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, on_terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: on_terminal)
    logs.configure(logging.INFO)
    password = "hunter2"
    try:
        raise ValueError("surprise") from None
    except ValueError:
        structlog.get_logger().exception("pass_crashed")
    said = capsys.readouterr().err
    assert "ValueError: surprise" in said
    assert "test_cli_program.py" in said
    assert password not in said


def test_logins_in_addresses_are_taken_out_of_logs(fresh_logs: None, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logging.INFO)
    structlog.get_logger().info("fetching", source="https://ada:hunter2@git.example.com/x.git")
    assert "hunter2" not in capsys.readouterr().err


def test_a_log_that_nobody_reads_any_more_fails_nothing(fresh_logs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    logs.configure(logging.INFO)
    structlog.get_logger().info("leaving", why="SIGINT")


@pytest.mark.parametrize(
    ("verbose", "debug", "tells_itself", "level"),
    [
        (False, False, False, logging.INFO),
        (True, False, False, logging.DEBUG),
        (False, False, True, logging.CRITICAL),
        (True, False, True, logging.INFO),
        (False, True, True, logging.DEBUG),
    ],
)
def test_how_much_is_logged_follows_from_the_command_and_its_options(
    verbose: bool, debug: bool, tells_itself: bool, level: int
) -> None:
    assert logs.level_of(Options(Path("/"), verbose, debug), tells_itself=tells_itself) == level


# Leaving


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_to_leave_once_and_the_second_leaves_at_once(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    left_with: list[int] = []
    monkeypatch.setattr("os._exit", left_with.append)
    asked = threading.Event()
    reasons: list[str] = []

    def leave(why: str) -> None:
        reasons.append(why)
        asked.set()

    before = signal.getsignal(number)
    with leaving_on_signals(leave):
        os.kill(os.getpid(), number)
        assert asked.wait(10)
        assert left_with == []
        os.kill(os.getpid(), number)
    assert reasons == [number.name]
    assert left_with == [128 + number]
    assert signal.getsignal(number) is before


# Printing


def test_a_terminal_gets_the_table_with_colours_unless_no_color_is_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.cli.output.on_terminal", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    output.print_table(("STACK", "HEALTH"), [("web", "Healthy")])
    assert "\x1b[32mHealthy" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    output.print_table(("STACK", "HEALTH"), [("web", "Healthy")])
    assert "\x1b[32m" not in capsys.readouterr().out


def test_brackets_in_a_message_are_no_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.cli.output.on_terminal", lambda: True)
    output.print_table(("MESSAGE",), [("services[0]: [red]boom[/red]",)])
    assert "services[0]: [red]boom[/red]" in capsys.readouterr().out


@pytest.mark.parametrize("width", [24, 60, 80])
def test_a_narrow_terminal_cuts_off_nothing_and_gets_the_last_column_below(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Incident: at 80 columns, `get` showed no message, and `env show` neither values nor what they are for."""
    monkeypatch.setattr("reconciler.cli.output.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    row = (
        "database-of-the-shop",
        "OutOfSync",
        "ReconciliationSucceededAtLast",
        "web is not healthy\nIts last lines:\nno space",
    )
    output.print_table(("STACK", "SYNC", "REASON", "MESSAGE"), [row, ("web", "Synced", "ok", "")])
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "STACK                 SYNC       REASON",
        "  MESSAGE",
        "database-of-the-shop  OutOfSync  ReconciliationSucceededAtLast",
        "  web is not healthy",
        "  Its last lines:",
        "  no space",
        "web                   Synced     ok",
    ]


def test_a_terminal_with_room_has_the_last_column_beside_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.cli.output.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    output.print_table(("STACK", "MESSAGE"), [("web", "word " * 20)])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["STACK", "web", "word"]


def test_a_reader_that_goes_away_ends_it_without_a_word(tmp_path: Path) -> None:
    root = Root(tmp_path / "root")
    for number in range(3000):
        root.journal.tell("web", "info", "Applied", f"release {number} is applied", "", float(number))
    root.journal.close()
    program = [sys.executable, "-c", "from reconciler.cli.main import main; main()", "--root", str(root.layout.root)]
    process = subprocess.Popen([*program, "events"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    _, said = process.communicate(timeout=60)
    assert said == b""
