"""The unit: what systemd itself says of it, and that paths with odd characters stay one word."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.supervision.unit import unit_name, unit_of

PROGRAM = Path("/bin/true")
FOLDER = Path("/etc/systemd/system")
ODD = Path('/srv/my %root "x" $y')


def line_of(text: str, key: str) -> str:
    (found,) = (line for line in text.splitlines() if line.startswith(f"{key}="))
    return found.partition("=")[2]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("root", [Path("/srv/reconciler"), ODD], ids=["default", "odd"])
@pytest.mark.parametrize("user", ["root", "daemon"])
def test_systemd_has_nothing_to_say_against_the_unit(tmp_path: Path, root: Path, user: str) -> None:
    unit = unit_of(root, PROGRAM, user, FOLDER)
    (tmp_path / unit.name).write_text(unit.text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_root_with_odd_characters_stays_one_word_and_no_variable_is_read_in_it() -> None:
    command = line_of(unit_of(ODD, PROGRAM, "root", FOLDER).text, "ExecStart")
    words = shlex.split(command.replace("%%", "%").replace("$$", "$"))
    assert words == ["/bin/true", "--root", str(ODD), "run"]


def test_each_root_has_a_unit_of_its_own() -> None:
    roots = [Path("/srv/reconciler"), Path("/srv/other"), Path("/opt/other")]
    assert [unit_name(root) for root in roots] == [
        "reconciler.service",
        "reconciler-srv-other.service",
        "reconciler-opt-other.service",
    ]


def test_only_a_user_who_is_not_root_is_named_and_let_at_the_engine() -> None:
    assert "User=" not in unit_of(ODD, PROGRAM, "root", FOLDER).text
    assert "\nUser=deploy\nSupplementaryGroups=docker\n" in unit_of(ODD, PROGRAM, "deploy", FOLDER).text


@pytest.mark.parametrize(("root", "private"), [("/tmp/r", "no"), ("/var/tmp/r", "no"), ("/srv/tmp", "yes")])
def test_a_root_among_temporary_files_is_not_hidden_from_its_own_daemon(root: str, private: str) -> None:
    assert line_of(unit_of(Path(root), PROGRAM, "root", FOLDER).text, "PrivateTmp") == private


def test_how_it_is_taken_away_stands_in_it() -> None:
    unit = unit_of(Path("/srv/reconciler"), PROGRAM, "root", FOLDER)
    assert "systemctl disable --now reconciler.service; rm /etc/systemd/system/reconciler.service" in unit.text
