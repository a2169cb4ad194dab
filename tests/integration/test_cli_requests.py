"""``suspend``, ``resume``, ``rollback`` and ``reconcile``: with a daemon that handles them, and without."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.adapters.release_store import ReleaseFiles
from reconciler.model.record import Outcome, Ready, Request, RequestKind, Suspension, Sync, Truth
from tests.integration.cli_root import COMMIT, NOON, OLDER, WEB, Root
from tests.integration.local_git import Work

NO_DAEMON_DOES_IT = "no daemon runs: `reconciler once`, or the daemon's next start, does it\n"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    found = Root(tmp_path / "root")
    with found.journal as journal:
        found.save(WEB)
        for number, revision in ((1, OLDER), (2, COMMIT)):
            journal.add_release("web", f"sha-{number}", revision, "", "ada", NOON)
            journal.end_release("web", number, Outcome.APPLIED, NOON + 1)
            ReleaseFiles(found.layout.root).save("web", number, {"model": {}})
        yield found


def suspension(root: Root) -> Suspension | None:
    return root.record("web").suspension


def test_a_stack_can_be_suspended_without_a_daemon_and_says_how_it_ends(root: Root) -> None:
    done = root.call("suspend", "web", "--reason", "new disk", SUDO_USER="ada")
    assert (done.exit_code, done.stdout) == (0, "web is suspended until it is resumed: reconciler resume web\n")
    found = suspension(root)
    assert found is not None
    assert (found.reason, found.who, found.until) == ("new disk", "ada", None)


def test_what_was_done_without_a_daemon_is_not_done_again_when_one_starts(root: Root) -> None:
    root.call("suspend", "web")
    root.call("resume", "web")
    root.call("rollback", "web")
    assert root.journal.requests() == ()


def test_the_daemon_suspends_and_resumes_where_one_runs(root: Root) -> None:
    with root.daemon():
        assert root.call("suspend", "web").stdout == "web is suspended until it is resumed: reconciler resume web\n"
        assert suspension(root) is not None
        done = root.call("resume", "web")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "web is resumed\n", "")
    assert suspension(root) is None


@pytest.mark.parametrize(("until", "seconds"), [("2h", 7200.0), ("30m", 1800.0)], ids=["hours", "minutes"])
def test_a_suspension_can_end_by_itself_after_a_while(root: Root, until: str, seconds: float) -> None:
    before = time.time()
    assert root.call("suspend", "web", "--until", until).exit_code == 0
    found = suspension(root)
    assert found is not None
    assert found.until is not None
    assert before + seconds <= found.until <= time.time() + seconds


def test_a_suspension_can_end_at_a_time_of_the_hosts_clock(root: Root) -> None:
    done = root.call("suspend", "web", "--until", "2100-01-31T18:00")
    assert done.stdout == "web is suspended until 2100-01-31 18:00:00\n"


def test_of_a_suspended_stack_a_pass_is_refused_and_a_rollback_is_said_to_wait(root: Root) -> None:
    why = "web is suspended by ada; nothing is done until: reconciler resume web\n"
    root.save(replace(WEB, suspension=Suspension("", "ada", NOON)))
    with root.daemon():
        done = root.call("reconcile", "web", "--wait")
        assert (done.exit_code, done.stderr) == (1, f"error: {why}")
        done = root.call("rollback", "web")
        assert (done.exit_code, done.stdout, done.stderr) == (0, "web goes back to release 1\n", why)
        assert root.call("rollback", "web", "--wait").exit_code == 4


@pytest.mark.parametrize("until", ["tomorrow", "2020-01-01", "-1h", ""])
def test_an_end_that_cannot_be_is_wrong_use_and_suspends_nothing(root: Root, until: str) -> None:
    done = root.call("suspend", "web", "--until", until)
    assert done.exit_code == 2
    assert done.stderr.startswith(f'error: --until "{until}"')
    assert suspension(root) is None


def test_resuming_what_is_not_suspended_says_so(root: Root) -> None:
    done = root.call("resume", "web")
    assert (done.exit_code, done.stderr) == (1, "error: web is not suspended\n")


def test_a_rollback_without_a_daemon_is_remembered_for_the_next_pass(root: Root) -> None:
    done = root.call("rollback", "web", "--reason", "login is broken", SUDO_USER="ada")
    assert (done.exit_code, done.stdout) == (0, "web goes back to release 1\n")
    assert done.stderr == NO_DAEMON_DOES_IT
    assert root.record("web").wanted_release == 1
    left = root.journal.releases("web")[1]
    assert left.quarantined == "rolled back to release 1 by ada: login is broken"


def test_a_rollback_is_handed_to_the_daemon_where_one_runs(root: Root) -> None:
    with root.daemon():
        done = root.call("rollback", "web", "1")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "web goes back to release 1\n", "")


@pytest.mark.parametrize("with_daemon", [True, False], ids=["daemon", "no daemon"])
@pytest.mark.parametrize(
    ("release", "code", "why"),
    [
        ("9", 2, "web has no release 9; see: reconciler history web"),
        ("2", 1, "release 2 is what runs"),
    ],
)
def test_a_rollback_that_is_refused_says_why(root: Root, release: str, code: int, why: str, with_daemon: bool) -> None:
    if with_daemon:
        with root.daemon():
            done = root.call("rollback", "web", release)
    else:
        done = root.call("rollback", "web", release)
    assert (done.exit_code, done.stdout, done.stderr) == (code, "", f"error: {why}\n")


def test_a_rollback_cannot_be_waited_for_where_no_daemon_runs(root: Root) -> None:
    done = root.call("rollback", "web", "--wait")
    assert done.exit_code == 1
    assert done.stderr == NO_DAEMON_DOES_IT


def test_a_rollback_waits_until_the_release_is_applied_and_healthy(root: Root) -> None:
    def goes_there(_: Request) -> None:
        root.save(replace(root.record("web"), applied_release=1, sync=Sync.OUT_OF_SYNC))

    with root.daemon(goes_there):
        done = root.call("rollback", "web", "1", "--wait", "--timeout", "60s")
    assert done.exit_code == 0
    assert root.record("web").applied_release == 1


def test_a_rollback_that_does_not_get_there_in_time_ends_with_3(root: Root) -> None:
    with root.daemon():
        assert root.call("rollback", "web", "1", "--wait", "--timeout", "100ms").exit_code == 3


def test_reconcile_says_that_no_daemon_runs_and_what_does_it_then(root: Root) -> None:
    done = root.call("reconcile", "web")
    assert done.exit_code == 1
    assert done.stderr == (
        f"error: no daemon runs for {root.layout.root}: start one with `reconciler run`, or make one pass with "
        "`reconciler once`\n"
    )
    assert "`reconciler once --force web`" in root.call("reconcile", "web", "--force").stderr
    assert root.journal.requests() == ()


def test_reconcile_leaves_a_row_for_the_daemon_and_does_not_wait(root: Root) -> None:
    with root.daemon():
        done = root.call("reconcile", "web", "--force", SUDO_USER="ada")
        assert (done.exit_code, done.stderr) == (0, "asked; see how it goes with: reconciler events -w web\n")
    request = root.journal.request(1)
    assert request is not None
    assert (request.kind, request.stack, request.force, request.who) == (RequestKind.RECONCILE, "web", True, "ada")


def test_reconcile_of_all_with_force_asks_for_every_stack_by_name(root: Root) -> None:
    root.save(replace(WEB, name="api"))
    with root.daemon():
        assert root.call("reconcile", "--force").exit_code == 0
    asked = [root.journal.request(number) for number in (1, 2, 3)]
    assert [(request.stack, request.force) for request in asked if request] == [
        ("", True),
        ("api", True),
        ("web", True),
    ]


def test_a_stack_that_is_new_in_a_commit_of_just_now_can_be_asked_for_and_waited_for(
    root: Root, tmp_path: Path
) -> None:
    Work(tmp_path / "config").commit("New", {"api/compose.yaml": "services: {server: {image: 'app:1'}}\n"})
    root.layout.settings.write_text(f"source: {{url: {tmp_path}/config}}\n")

    def make_pass(request: Request) -> None:
        root.save(replace(WEB, name="api"))
        root.journal.answer(request.id, "ok", NOON)

    with root.daemon(make_pass):
        done = root.call("reconcile", "api", "--wait", "--timeout", "60s")
        assert (done.exit_code, done.stderr) == (0, "api is ready: release 2 is healthy\n")
        done = root.call("reconcile", "ipa")
    assert (done.exit_code, done.stderr) == (
        2,
        'error: there is no stack "ipa"; known are api, web\n',
    )


def test_a_stack_that_is_not_known_is_not_called_unknown_where_the_repository_does_not_answer(root: Root) -> None:
    with root.daemon():
        done = root.call("reconcile", "api")
    assert done.exit_code == 1
    assert "error: api is not known here, so nobody can say whether there is such a stack" in done.stderr


@pytest.mark.parametrize("command", ["suspend", "resume", "rollback"])
def test_an_unknown_stack_is_wrong_use(root: Root, command: str) -> None:
    done = root.call(command, "wbe")
    assert done.exit_code == 2
    assert done.stderr.startswith('error: there is no stack "wbe"')


def test_a_release_that_waits_is_approved_by_its_number_or_as_the_one_that_is_waited_for(root: Root) -> None:
    first = root.journal.await_release("web", "digest", COMMIT, "a change", "Ada", time.time()).number
    newest = root.journal.await_release("web", "another", COMMIT, "a change", "Ada", time.time()).number
    # Git says the first one again: the newest is not what waits.
    told = f"a newer release is known: it waits for somebody to approve it: reconciler approve web {first}"
    root.save(replace(root.record("web"), ready=Ready(Truth.TRUE, "WaitsForApproval", told)))
    done = root.call("approve", "web")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"web: approved release {first} by ")
    assert root.journal.approved_by("web", first)
    assert not root.journal.approved_by("web", newest)
    assert root.call("approve", "web", str(newest)).exit_code == 0
    assert root.journal.approved_by("web", newest)


def test_what_does_not_wait_cannot_be_approved(root: Root) -> None:
    failed = root.journal.await_release("web", "digest", COMMIT, "a change", "Ada", time.time()).number
    root.journal.quarantine("web", failed, "it failed")
    assert f"release {failed} of web does not wait" in root.call("approve", "web", str(failed)).stderr
    done = root.call("approve", "web")
    assert done.exit_code == 1
    assert "no release of web waits for an approval" in done.stderr
