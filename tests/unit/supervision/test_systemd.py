"""Installing the unit: whole or not at all, never over another one, and what systemctl says is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.model.errors import StalledError
from reconciler.supervision import systemd
from reconciler.supervision.unit import Unit

UNIT = Unit("reconciler.service", "[Unit]\n")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that writes down what it is called with, and fails where a file ``fail`` says so."""
    program, record = tmp_path / "bin/systemctl", tmp_path / "calls"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {record}\ntest -e {tmp_path}/fail || exit 0\necho "Access denied" >&2\nexit 4\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return record


def test_a_unit_is_written_once_and_is_for_everybody_to_read(tmp_path: Path) -> None:
    assert systemd.write(UNIT, tmp_path)
    assert not systemd.write(UNIT, tmp_path)
    assert (tmp_path / UNIT.name).stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == [UNIT.name]


def test_a_unit_that_says_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / UNIT.name).write_text("# mine\n")
    with pytest.raises(StalledError, match=r"is there and says something else.*To have it made anew: rm "):
        systemd.write(UNIT, tmp_path)
    assert (tmp_path / UNIT.name).read_text() == "# mine\n"


def test_a_folder_that_may_not_be_written_is_one_clear_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StalledError, match=r"cannot be written \(Not a directory\): installing a unit needs root"):
        systemd.write(UNIT, tmp_path / "file")


def test_enabling_lets_systemd_read_the_unit_first_and_starts_nothing(calls: Path) -> None:
    systemd.enable(UNIT)
    assert calls.read_text() == "daemon-reload\nenable reconciler.service\n"
    systemd.start(UNIT)
    assert calls.read_text().endswith("start reconciler.service\n")


def test_what_systemctl_says_is_told(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "fail").touch()
    with pytest.raises(StalledError, match=r"systemctl start reconciler\.service failed: Access denied"):
        systemd.start(UNIT)


def test_a_host_without_systemd_is_known_by_its_mark(tmp_path: Path) -> None:
    assert not systemd.is_there(tmp_path / "system")
    assert systemd.is_there(tmp_path)
