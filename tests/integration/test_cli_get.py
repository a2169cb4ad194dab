"""``reconciler get``: what people see, what programs get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.adapters.root_lock import RootLock
from reconciler.model.record import CertificateRecord, Suspension
from tests.integration.cli_root import COMMIT, DATABASE, NO_DAEMON, NOON, WEB, Root


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    found = Root(tmp_path / "root")
    with found.journal:
        yield found


def test_a_pipe_gets_plain_columns_and_the_notes_go_to_standard_error(root: Root) -> None:
    root.save(WEB, DATABASE)
    done = root.call("get")
    assert done.stdout == (
        "STACK     SYNC       HEALTH    READY  REASON                   RELEASE  REVISION   MESSAGE\n"
        "database  OutOfSync  Degraded  False  StartFailed              -        -          release 1 failed at step 2 …\n"
        "web       Synced     Healthy   True   ReconciliationSucceeded  2        3f4a2b1c9  release 2 is healthy\n"
    )
    assert done.stderr == NO_DAEMON
    assert done.exit_code == 0


def test_one_stack_is_shown_with_all_that_is_known_of_why_it_is_not_ready(root: Root) -> None:
    root.save(WEB, DATABASE)
    done = root.call("get", "database")
    assert done.stdout == (
        "STACK     SYNC       HEALTH    READY  REASON       RELEASE  REVISION  MESSAGE\n"
        "database  OutOfSync  Degraded  False  StartFailed  -        -         release 1 failed at step 2 …\n"
        "\n"
        "StartFailed: release 1 failed at step 2\nIts last lines:\nno space\n"
    )


def test_programs_get_one_list_of_objects_with_exactly_the_documented_keys(root: Root) -> None:
    root.save(WEB, DATABASE)
    database, web = root.json("get")
    assert web == {
        "name": "web",
        "sync": "Synced",
        "health": "Healthy",
        "ready": "True",
        "reason": "ReconciliationSucceeded",
        "message": "release 2 is healthy",
        "attemptedRevision": COMMIT,
        "appliedRevision": COMMIT,
        "release": 2,
        "suspended": False,
        "lastVerifiedBackup": None,
        "backupProblem": "",
        "images": [],
    }
    assert database["release"] is None
    assert database["message"].endswith("no space")


def test_programs_get_an_empty_list_where_there_is_no_stack_and_nothing_is_said_about_a_daemon(root: Root) -> None:
    done = root.call("get", "-o", "json")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_root_without_a_stack_says_why_there_may_be_none(root: Root) -> None:
    done = root.call("get")
    assert done.stdout == ""
    assert done.stderr.startswith("no stack is known yet: the first pass has not ended, or the repository holds none\n")


def test_wide_shows_what_was_attempted_besides_what_is_applied(root: Root) -> None:
    root.save(WEB)
    titles, row = root.call("get", "-o", "wide").stdout.splitlines()
    assert titles.split()[-5:] == ["APPLIED", "ATTEMPTED", "CHANGED", "BACKUP", "MESSAGE"]
    assert row.split()[5:8] == ["2", "3f4a2b1c9", "3f4a2b1c9"]


def test_who_suspended_a_stack_until_when_and_why_is_part_of_its_message(root: Root) -> None:
    far = 4_102_444_800.0
    root.save(replace(WEB, suspension=Suspension("new disk", "ada", NOON, far)))
    assert "suspended by ada until 2100-01-01 00:00:00: new disk; release 2 is healthy" in root.call("get").stdout
    assert root.json("get")[0]["suspended"] is True


def test_a_suspension_that_is_over_is_none(root: Root) -> None:
    root.save(replace(WEB, suspension=Suspension("", "ada", NOON, NOON + 1)))
    assert root.json("get")[0]["suspended"] is False
    assert "suspended" not in root.call("get").stdout


@pytest.mark.parametrize("reason", ["FetchFailed", "CertificateUntrusted"])
def test_a_repository_that_does_not_answer_is_said_below_the_table_until_it_does(root: Root, reason: str) -> None:
    root.save(WEB)
    root.journal.tell("", "error", reason, "git.example.com does not answer", "", NOON)
    assert f"ago: {reason}: git.example.com does not answer\n" in root.call("get").stderr
    root.journal.tell("", "info", "Fetched", "the source answers again", "", NOON)
    assert root.call("get").stderr == NO_DAEMON


def test_what_went_wrong_with_a_stack_is_not_taken_for_trouble_of_the_host(root: Root) -> None:
    root.save(WEB)
    root.journal.tell("web", "error", "StartFailed", "release 1 failed", "", NOON)
    assert root.call("get").stderr == NO_DAEMON


def test_the_process_that_holds_the_lock_is_named(root: Root) -> None:
    root.save(WEB)
    lock = RootLock(root.layout.lock)
    lock.acquire(NOON)
    try:
        assert root.call("get").stderr.startswith("the daemon runs: process ")
        assert root.call("get").stderr.endswith(", since 2026-01-01 12:00:00\n")
    finally:
        lock.release()


def test_an_unknown_stack_is_answered_with_the_nearest_name(root: Root) -> None:
    root.save(WEB, DATABASE)
    done = root.call("get", "databse")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr == 'error: there is no stack "databse"; did you mean "database"?\n'


def test_what_a_container_logged_cannot_steer_the_terminal(root: Root) -> None:
    evil = replace(DATABASE.ready, message="\x1b[2J\x1b]0;owned\x07 gone")
    root.save(replace(DATABASE, ready=evil))
    assert "\x1b" not in root.call("get").stdout
    assert "\x07" not in root.call("get", "database").stdout


def test_of_very_many_certificates_that_need_somebody_the_first_are_named_and_the_rest_is_counted(root: Root) -> None:
    root.save(WEB)
    root.journal.certificates.save_certificates(
        [CertificateRecord(f"ca{number:02}", "folder", "invalid") for number in range(12)]
    )
    assert "ca09 (invalid) and 2 more; see: reconciler certs list" in root.call("get").stderr


def test_a_disk_that_is_full_is_told_since_nothing_can_be_written_down_of_it(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.save(WEB)
    assert "is full" not in root.call("get").stderr
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=4096))
    assert f"the disk that holds {root.layout.root} is full" in root.call("get").stderr


def test_where_nobody_can_look_after_certificates_what_is_known_of_them_is_said_to_be_of_before(root: Root) -> None:
    root.journal.tell("", "error", "CertificatesFailed", "certificates are not looked after: certs is a file", "", NOON)
    for words in (("get",), ("certs", "list")):
        assert (
            "since 2026-01-01 12:00:00: certificates are not looked after: certs is a file" in root.call(*words).stderr
        )
    root.journal.tell("", "info", "CertificatesMended", "certificates are looked after again", "", NOON)
    assert "not looked after" not in root.call("get").stderr
