"""What a person sees who did something wrong, or to whom something went wrong: never a traceback."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import output
from reconciler.cli.main import _MODULES
from reconciler.model.errors import StalledError, WaitingError
from tests.integration.cli_root import WEB, Root, call


def test_a_root_that_is_not_there_is_answered_with_how_to_make_one(tmp_path: Path) -> None:
    done = call("--root", str(tmp_path / "none"), "get")
    assert done.exit_code == 2
    assert done.stderr == (
        f"error: there is no folder {tmp_path}/none. Name the root with --root or RECONCILER_ROOT, or make one: "
        f"reconciler init {tmp_path}/none --source URL\n"
    )


def test_a_folder_that_is_no_root_is_left_as_it_is(tmp_path: Path) -> None:
    done = call("get", RECONCILER_ROOT=str(tmp_path))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {tmp_path} is not a root of reconciler: it has no host.yaml.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("diff",), ("build", "web"), ("once",), ("run",)])
def test_every_problem_of_host_yaml_is_listed_at_once(tmp_path: Path, words: tuple[str, ...]) -> None:
    root = Root(tmp_path / "root")
    root.layout.settings.write_text("source:\n  url: http://x/y\n  brnch: main\nstack: [web]\n")
    done = root.call(*words)
    host = root.layout.settings
    assert done.exit_code == 2
    assert "3 problems:\n" in done.stderr
    assert f"{host}:2: source.url: http neither encrypts" in done.stderr
    assert f'{host}:3: source.brnch: unknown key "brnch"; did you mean "branch"?' in done.stderr
    assert f'{host}:4: stack: unknown key "stack"; did you mean "stacks"?' in done.stderr
    assert "Traceback" not in done.output


def test_a_broken_host_yaml_does_not_keep_anybody_from_looking_at_what_is_recorded(tmp_path: Path) -> None:
    root = Root(tmp_path / "root")
    root.layout.settings.write_text("{")
    for words in (("get",), ("events",)):
        assert root.call(*words).exit_code == 0


def test_an_unknown_command_is_answered_with_the_nearest() -> None:
    done = call("hystory")
    assert done.exit_code == 2
    assert done.stderr == (
        'error: there is no command "hystory"; did you mean "history"?\nHow it is used: reconciler --help\n'
    )


def test_an_unknown_option_is_wrong_use(tmp_path: Path) -> None:
    root = Root(tmp_path / "root")
    done = root.call("get", "--wid")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith("How it is used: reconciler get --help\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("get", "--root", "/x"), "reconciler --root DIR get"),
        (("env", "check", "web", "--debug"), "reconciler --debug env check"),
    ],
)
def test_an_option_of_the_program_behind_the_command_is_told_its_place(words: tuple[str, ...], told: str) -> None:
    done = call(*words)
    assert done.exit_code == 2
    assert f"It stands before the command: {told}\n" in done.stderr


def test_a_mistake_of_ours_is_one_line_with_where_to_report_it_and_a_traceback_only_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Root(tmp_path / "root")

    def broken(*_: object, **__: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("reconciler.cli.get.show", broken)
    done = root.call("get")
    assert done.exit_code == 1
    assert done.stderr == (
        "error: unexpected KeyError: 'surprise'\n"
        "This is a mistake in reconciler. Please report it, with what `reconciler --debug ...` prints.\n"
    )
    assert isinstance(call("--debug", "--root", str(root.layout.root), "get").exception, KeyError)


@pytest.mark.parametrize(
    "words",
    [
        ("events", "--since", "{most}"),
        ("certs", "history", "-n", "{most}"),
        ("rollback", "web", "{most}"),
        ("approve", "web", "{most}"),
    ],
)
def test_a_number_that_nothing_here_has_is_wrong_use(tmp_path: Path, words: tuple[str, ...]) -> None:
    root = Root(tmp_path / "root")
    root.save(WEB)
    done = root.call(*(word.format(most=2**63) for word in words))
    assert done.exit_code == 2
    assert f"{2**63} is larger than any number here." in done.stderr


def test_a_full_disk_behind_the_output_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Root(tmp_path / "root")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("reconciler.cli.output.print_json", full)
    done = root.call("get", "-o", "json")
    assert (done.exit_code, done.stderr.startswith("error: no space is left where this writes to")) == (1, True)


def test_who_stands_in_a_folder_that_is_gone_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    done = call("--root", "x", "get")
    assert (done.exit_code, done.stderr) == (1, "error: the folder that you stand in is gone: cd to another one\n")


def test_an_output_that_was_closed_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert not output.on_terminal()


def test_what_was_interrupted_ends_with_130_whatever_was_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Incident: Ctrl-C in `backup run` ended with 1, as if the backup were no good."""
    root = Root(tmp_path / "root")

    def interrupted(*_: object, **__: object) -> None:
        raise WaitingError("dump was ended, because of SIGINT", reason="Interrupted")

    monkeypatch.setattr("reconciler.cli.roots.open_journal", interrupted)
    done = root.call("get")
    assert (done.exit_code, done.stderr) == (130, "error: dump was ended, because of SIGINT\n")


def test_what_is_stalled_or_waiting_is_one_message_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Root(tmp_path / "root")

    def stalled(*_: object, **__: object) -> None:
        raise StalledError("state.db may not be read; try sudo", reason="JournalForbidden")

    monkeypatch.setattr("reconciler.cli.roots.open_journal", stalled)
    done = root.call("get")
    assert (done.exit_code, done.stderr) == (1, "error: state.db may not be read; try sudo\n")


@pytest.mark.parametrize(
    "words",
    [
        ("get",),
        ("init", "{root}", "--yes"),
        ("recover", "--source", "/srv/git/config.git"),
        ("secrets", "keygen"),
        ("secrets", "rotate", "{sealed}", "--new-key"),
    ],
)
def test_another_users_root_is_refused_before_anything_is_written_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    root = Root(tmp_path / "root")
    assert root.call("secrets", "keygen").exit_code == 0
    (tmp_path / "mail.env").write_text("A=1\n")
    assert root.call("secrets", "encrypt", str(tmp_path / "mail.env")).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    monkeypatch.setattr("os.geteuid", lambda: root.layout.state.stat().st_uid + 1)
    done = root.call(*(word.format(root=root.layout.root, sealed=tmp_path) for word in words))
    assert done.exit_code == 1
    assert "belongs to the user " in done.stderr
    assert "sudo -u " in done.stderr
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    "words",
    [
        ("get",),
        ("init", "{root}", "--source", "/srv/git/config.git"),
        ("recover", "--source", "/srv/git/config.git"),
        ("secrets", "keygen"),
    ],
)
def test_a_root_in_a_folder_that_this_user_may_not_enter_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    root, stat = tmp_path / "closed" / "root", os.stat

    def closed(path: Any, *more: Any, **named: Any) -> os.stat_result:
        if str(path).startswith(str(root)):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, *more, **named)

    monkeypatch.setattr("os.stat", closed)
    done = call("--root", str(root), *(word.format(root=root) for word in words))
    assert (done.exit_code, done.stderr.startswith(f"error: {root}")) == (1, True)
    assert done.stderr.endswith("may not be read by this user. Try again with sudo.\n")


@pytest.mark.parametrize("command", _MODULES)
def test_every_command_has_a_help_with_an_example_that_calls_it(command: str) -> None:
    done = call(command, "--help")
    assert done.exit_code == 0
    said = " ".join(done.stdout.split())
    assert "Example: reconciler " in said
    assert command in said.partition("Example: ")[2].split()


def test_the_help_lists_every_command_under_a_heading() -> None:
    said = call("--help").stdout
    for heading in ("Set up:", "Run:", "Look:", "Act:"):
        assert f"\n{heading}\n" in said
    for command in _MODULES:
        assert f"\n  {command} " in said


def test_the_version_is_the_packages_own() -> None:
    assert call("--version").stdout == "reconciler 0.1.0\n"
