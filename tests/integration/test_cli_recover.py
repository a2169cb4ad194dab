"""``reconciler recover`` before it does anything: whoever lost a host is led on to its data, and past no start without them."""

from __future__ import annotations

from pathlib import Path

from tests.integration.cli_root import call

SOURCE = "/srv/git/nowhere.git"


def test_a_root_without_settings_is_told_to_name_the_repository_and_not_to_begin_anew(tmp_path: Path) -> None:
    """`init --start` would bring the stacks up empty."""
    done = call("--root", str(tmp_path), "recover")
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "reconciler recover --source URL --path FOLDER" in done.stderr
    assert "reconciler init" not in done.stderr


def test_nobody_is_told_to_run_what_would_start_without_its_data(tmp_path: Path) -> None:
    """Incident: what `init` says at its end was printed before the error, `reconciler run` as the next thing to do."""
    done = call("--root", str(tmp_path), "recover", "--source", SOURCE)
    assert (done.exit_code, (tmp_path / "host.yaml").exists()) == (1, True)
    assert "made   " in done.stdout
    assert "Next:" not in done.stdout
    assert "reconciler" not in done.stdout.replace("reconciler's own", "")


def test_another_source_than_the_settings_have_is_told_and_not_passed_over(tmp_path: Path) -> None:
    call("--root", str(tmp_path), "recover", "--source", SOURCE, "--path", "stakcs")
    done = call("--root", str(tmp_path), "recover", "--source", SOURCE, "--path", "stacks")
    assert done.exit_code == 1
    assert done.stderr == f"host.yaml says another source.path than was asked for; edit {tmp_path}/host.yaml\n"
