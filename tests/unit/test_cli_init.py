"""``reconciler init``: a root can be made again and again, and nothing in it is ever overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.settings import load_settings
from tests.unit.cli_root import call

URL = "ssh://git@git.example.com/ops/config.git"


def init(folder: Path, *words: str) -> tuple[int, str, str]:
    done = call("init", str(folder), *words)
    return done.exit_code, done.stdout, done.stderr


def test_a_new_root_has_its_folders_and_settings_that_are_valid(tmp_path: Path) -> None:
    code, said, _ = init(tmp_path / "r", "--source", URL, "--branch", "prod", "--path", "desired_state")
    assert code == 0
    assert said.endswith(f"\nNext: reconciler --root {tmp_path}/r check, then reconciler --root {tmp_path}/r run\n")
    source = load_settings((tmp_path / "r/host.yaml").read_bytes(), "host.yaml").source
    assert (source.url, source.branch, source.path) == (URL, "prod", "desired_state")
    modes = {
        name: (tmp_path / "r" / name).stat().st_mode & 0o777 for name in ("env", "state", "certs", "backups", "data")
    }
    assert modes == {"env": 0o700, "state": 0o700, "certs": 0o700, "backups": 0o700, "data": 0o755}


def test_a_second_call_changes_nothing_and_says_what_is_there(tmp_path: Path) -> None:
    init(tmp_path / "r", "--source", URL)
    (tmp_path / "r/host.yaml").write_text(f"source: {{url: {URL}}} # mine\n")
    (tmp_path / "r/env/web.env").write_text("A=1\n")
    (tmp_path / "r/env").chmod(0o750)
    code, said, complaint = init(tmp_path / "r", "--source", URL)
    assert (code, complaint) == (0, "")
    assert "made " not in said
    assert f"there  {tmp_path}/r/host.yaml  this host's settings, left as they are\n" in said
    assert (tmp_path / "r/host.yaml").read_text().endswith("# mine\n")
    assert (tmp_path / "r/env").stat().st_mode & 0o777 == 0o750


def test_another_source_than_the_one_that_is_there_is_not_taken_and_said(tmp_path: Path) -> None:
    init(tmp_path / "r", "--source", URL)
    before = (tmp_path / "r/host.yaml").read_bytes()
    code, _, complaint = init(tmp_path / "r", "--source", URL, "--branch", "next")
    assert code == 1
    assert complaint == (f"host.yaml says another source.branch than was asked for; edit {tmp_path}/r/host.yaml\n")
    assert (tmp_path / "r/host.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("--source", "http://git.example.com/x.git"), "source.url"),
        (("--source", URL, "--branch", "a..b"), "source.branch"),
        (("--source", URL, "--path", "../up"), "source.path"),
    ],
)
def test_what_would_be_refused_later_is_refused_before_anything_is_made(
    tmp_path: Path, words: tuple[str, ...], key: str
) -> None:
    code, said, complaint = init(tmp_path / "r", *words)
    assert (code, said) == (2, "")
    assert f"  {key}: " in complaint
    assert not (tmp_path / "r").exists()


def test_a_repository_on_this_host_is_named_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    assert init(Path("r"), "--source", "config")[0] == 0
    assert load_settings((tmp_path / "r/host.yaml").read_bytes(), "").source.url == f"{tmp_path}/config"


def test_a_name_with_any_characters_stays_one_name(tmp_path: Path) -> None:
    init(tmp_path / "r", "--source", URL, "--path", 'we ird: "#x')
    assert load_settings((tmp_path / "r/host.yaml").read_bytes(), "").source.path == 'we ird: "#x'


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, complaint = init(tmp_path / "file" / "r", "--source", URL)
    assert code == 1
    assert complaint.startswith(f"error: {tmp_path}/file/r cannot be made (Not a directory).")
