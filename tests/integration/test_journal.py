"""Laws of state.db: nothing told to it is lost, whoever writes and whoever is killed; nothing in it grows for ever."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.journal import SqliteJournal
from reconciler.adapters.journal.database import Database
from reconciler.adapters.journal.identity import claim
from reconciler.adapters.journal.trouble import translate
from reconciler.model.errors import StalledError, WaitingError
from reconciler.model.observed import Endpoint, LiveSettings
from reconciler.model.record import (
    Health,
    Outcome,
    PassGoal,
    Ready,
    RequestKind,
    StackRecord,
    StepState,
    Suspension,
    Sync,
    Truth,
)

A_MINUTE_S = 60

SHOP = StackRecord(
    name="shop",
    sync=Sync.OUT_OF_SYNC,
    health=Health.DEGRADED,
    ready=Ready(Truth.FALSE, "RolloutFailed", "web never became healthy"),
    attempted_revision="b" * 40,
    applied_revision="a" * 40,
    attempted_release=2,
    applied_release=1,
    suspension=Suspension("moving house", "ada", since=10.0, until=20.5),
    updated_at=100.0,
)
SETTINGS = LiveSettings(
    "web-1",
    (("Memory", 1 << 30), ("RestartPolicy.Name", "always")),
    (Endpoint("front", ("web", "www"), ipv4="10.0.0.2"), Endpoint("back")),
)


def journal_at(path: Path, **options: Any) -> SqliteJournal:
    return SqliteJournal(path, synchronous="OFF", **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "state.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    with journal_at(path) as opened:
        yield opened


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    program = "import sys\nfrom pathlib import Path\nfrom reconciler.adapters.journal import SqliteJournal\n"
    return subprocess.Popen(
        [sys.executable, "-c", program + textwrap.dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=A_MINUTE_S)
    assert process.returncode == 0, err
    return out


# What is written is read


def test_a_stack_is_read_as_it_was_saved(journal: SqliteJournal) -> None:
    assert journal.stack("shop") is None
    journal.save_stack(SHOP)
    journal.save_stack(StackRecord("blog"))
    assert journal.stack("shop") == SHOP
    assert journal.stacks() == (StackRecord("blog"), SHOP)


def test_everything_survives_the_end_of_the_process(path: Path) -> None:
    with journal_at(path) as first:
        first.save_stack(SHOP)
        release = first.add_release("shop", "sha256:1", "a" * 40, "Sell hats", "git", 1.0)
        first.save_baseline("c1", "shop", SETTINGS)
        event = first.tell("shop", "info", "Applied", "hats are sold", "a" * 40, 2.0)
        request = first.ask(RequestKind.RECONCILE, "shop", "ada", 3.0, force=True)
        identity = first.root_id()
    with journal_at(path, mend=True) as second:
        assert second.recovered_from is None
        assert second.stacks() == (SHOP,)
        assert second.releases("shop") == (release,)
        assert second.baselines() == {"c1": SETTINGS}
        assert second.events() == (event,)
        assert [r.id for r in second.requests()] == [request]
        assert second.root_id() == identity


def test_saving_what_is_known_already_writes_nothing(journal: SqliteJournal) -> None:
    journal.save_stack(SHOP)
    journal.save_baseline("c1", "shop", SETTINGS)
    before = journal.version()
    journal.save_stack(SHOP)
    journal.save_stack(replace(SHOP, updated_at=999.0))
    journal.save_baseline("c1", "shop", SETTINGS)
    journal.forget_baselines(frozenset({"c1"}))
    assert journal.version() == before
    assert journal.stack("shop") == SHOP


def test_a_status_is_saved_beside_what_people_asked_for(journal: SqliteJournal) -> None:
    suspension = Suspension("new disk", "ada", 1.0)
    journal.save_status(StackRecord("shop", sync=Sync.UNKNOWN))
    journal.save_suspension("shop", suspension)
    journal.save_wanted("shop", 1)
    journal.save_status(SHOP)
    assert journal.stack("shop") == replace(SHOP, suspension=suspension, wanted_release=1)
    before = journal.version()
    journal.save_status(replace(SHOP, updated_at=999.0))
    assert journal.version() == before


def test_what_is_wanted_is_dropped_for_what_was_applied_unless_that_is_left_already(journal: SqliteJournal) -> None:
    journal.save_stack(StackRecord("shop", wanted_release=1))
    number = journal.add_release("shop", "sha256:2", "a" * 40, "", "git", 1.0).number
    journal.quarantine("shop", number, "rolled back")
    journal.drop_wanted("shop", number)
    assert journal.stack("shop") == StackRecord("shop", wanted_release=1)
    journal.quarantine("shop", number, "")
    journal.drop_wanted("shop", number)
    assert journal.stack("shop") == StackRecord("shop")


def test_a_forgotten_stack_leaves_only_its_events(journal: SqliteJournal) -> None:
    journal.save_stack(SHOP)
    journal.add_release("shop", "sha256:1", "a" * 40, "", "git", 1.0)
    pass_id = journal.begin_pass("shop", 1, PassGoal.APPLY, 1.0)
    journal.intend(pass_id, 0, "web", "remove web-1", 1.0)
    journal.save_baseline("c1", "shop", SETTINGS)
    event = journal.tell("shop", "info", "Removed", "", "", 2.0)
    journal.forget_stack("shop")
    assert journal.begin_pass("blog", 1, PassGoal.APPLY, 2.0) > pass_id  # an id never means another pass
    journal.done(pass_id, 0, 3.0)
    journal.end_pass(pass_id, "done", 3.0)
    assert journal.stack("shop") is None
    assert journal.releases("shop") == ()
    assert journal.passes("shop", 10) == ()
    assert journal.steps(pass_id) == ()
    assert journal.baselines() == {}
    assert journal.events() == (event,)


# Releases


def test_releases_are_numbered_per_stack_and_one_digest_is_one_release(journal: SqliteJournal) -> None:
    first = journal.add_release("shop", "sha256:1", "a" * 40, "Sell hats", "git", 1.0)
    second = journal.add_release("shop", "sha256:2", "b" * 40, "Sell shoes", "git", 2.0)
    other = journal.add_release("blog", "sha256:1", "a" * 40, "", "git", 3.0)
    again = journal.add_release("shop", "sha256:1", "c" * 40, "Revert", "git", 4.0)
    assert (first.number, second.number, other.number) == (1, 2, 1)
    assert again == first
    assert journal.releases("shop") == (first, second)


def test_a_release_goes_into_quarantine_and_out_again(journal: SqliteJournal) -> None:
    made = journal.add_release("shop", "sha256:1", "a" * 40, "", "git", 1.0)
    assert made.outcome is Outcome.PENDING
    journal.pin_images("shop", 1, {"web": "sha256:77"})
    journal.end_release("shop", 1, Outcome.FAILED, 2.0)
    journal.quarantine("shop", 1, "web never became healthy")
    (failed,) = journal.releases("shop")
    assert (failed.outcome, failed.ended_at, failed.quarantined) == (Outcome.FAILED, 2.0, "web never became healthy")
    assert failed.images == {"web": "sha256:77"}
    journal.reopen_release("shop", 1, "b" * 40, 3.0)
    (reopened,) = journal.releases("shop")
    assert reopened == replace(
        failed, outcome=Outcome.PENDING, revision="b" * 40, created_at=3.0, ended_at=None, quarantined=""
    )


def test_changing_a_release_that_is_not_there_is_a_mistake(journal: SqliteJournal) -> None:
    with pytest.raises(LookupError, match="shop has no release 7"):
        journal.quarantine("shop", 7, "why")


def test_a_write_that_raised_changes_nothing_and_the_next_one_works(journal: SqliteJournal) -> None:
    with pytest.raises(LookupError):
        journal.end_release("shop", 7, Outcome.APPLIED, 1.0)
    journal.save_stack(SHOP)
    assert journal.stacks() == (SHOP,)


# Passes and steps


def test_killed_between_intent_and_outcome_the_journal_tells_the_open_pass_and_step(path: Path) -> None:
    killed = start(
        """
        import os, signal
        from reconciler.model.record import PassGoal
        journal = SqliteJournal(Path(sys.argv[1]))
        ended = journal.begin_pass("shop", 1, PassGoal.APPLY, 1.0)
        journal.end_pass(ended, "done", 2.0)
        running = journal.begin_pass("shop", 2, PassGoal.APPLY, 3.0)
        journal.intend(running, 0, "web", "create web-2", 4.0)
        journal.done(running, 0, 5.0)
        journal.intend(running, 1, "web", "stop web-1", 6.0)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        path,
    )
    killed.communicate(timeout=A_MINUTE_S)
    assert killed.returncode == -signal.SIGKILL
    with journal_at(path, mend=True) as journal:
        assert journal.recovered_from is None
        open_pass = journal.open_pass("shop")
        assert open_pass is not None
        assert (open_pass.release, open_pass.goal, open_pass.outcome) == (2, PassGoal.APPLY, "")
        created, stopped = journal.steps(open_pass.id)
        assert (created.text, created.state, created.ended_at) == ("create web-2", StepState.DONE, 5.0)
        assert (stopped.text, stopped.state, stopped.ended_at) == ("stop web-1", StepState.INTENDED, None)
        journal.end_pass(open_pass.id, "failed", 7.0)
        assert journal.open_pass("shop") is None


def test_a_failed_step_keeps_its_error(journal: SqliteJournal) -> None:
    pass_id = journal.begin_pass("shop", None, PassGoal.REPAIR, 1.0)
    journal.intend(pass_id, 3, "web", "start web-1", 2.0)
    journal.failed(pass_id, 3, "port 443 is taken", 3.0)
    (step,) = journal.steps(pass_id)
    assert (step.state, step.error, step.index) == (StepState.FAILED, "port 443 is taken", 3)


def test_the_newest_passes_are_kept_with_their_steps_and_an_open_one_however_old(journal: SqliteJournal) -> None:
    open_one = journal.begin_pass("shop", 1, PassGoal.APPLY, 0.0)
    other = journal.begin_pass("blog", 1, PassGoal.APPLY, 0.0)
    journal.end_pass(other, "done", 0.0)
    ids = []
    for at in range(230):
        ids.append(journal.begin_pass("shop", 1, PassGoal.REPAIR, at))
        journal.intend(ids[-1], 0, "web", "start", at)
        journal.end_pass(ids[-1], "done", at)
    kept = [p.id for p in journal.passes("shop", 1000)]
    assert kept == [*reversed(ids[-200:]), open_one]
    assert journal.steps(ids[0]) == ()
    assert len(journal.steps(ids[-200])) == 1
    assert [p.id for p in journal.passes("blog", 1000)] == [other]


# Events


def test_events_come_oldest_first_and_the_newest_of_them(journal: SqliteJournal) -> None:
    told = [journal.tell("shop" if n % 2 else "blog", "info", "R", str(n), "", n) for n in range(6)]
    assert journal.events() == tuple(told)
    assert journal.events(after=told[2].id) == tuple(told[3:])
    assert journal.events(limit=2) == tuple(told[-2:])
    assert journal.events(stack="shop") == (told[1], told[3], told[5])


def test_only_the_newest_ten_thousand_events_are_kept_and_no_id_comes_twice(journal: SqliteJournal, path: Path) -> None:
    with closing(sqlite3.connect(path)) as direct:
        row = (1.0, "shop", "info", "R", "", "")
        direct.executemany(
            "INSERT INTO events (at, stack, severity, reason, message, revision) VALUES (?, ?, ?, ?, ?, ?)",
            [row] * 10_005,
        )
        direct.commit()
    newest = journal.tell("shop", "info", "R", "", "", 2.0)
    kept = journal.events(limit=20_000)
    assert len(kept) == 10_000
    assert kept[-1] == newest
    assert newest.id == 10_006


# Requests


def test_a_request_waits_until_it_is_answered(journal: SqliteJournal) -> None:
    first = journal.ask(RequestKind.SUSPEND, "shop", "ada", 1.0, reason="moving house", until=99.0)
    second = journal.ask(RequestKind.ROLLBACK, "shop", "bob", 2.0, release=3, force=True)
    waiting = journal.requests()
    assert [r.id for r in waiting] == [first, second]
    assert (waiting[0].reason, waiting[0].until, waiting[0].force) == ("moving house", 99.0, False)
    assert (waiting[1].release, waiting[1].force, waiting[1].kind) == (3, True, RequestKind.ROLLBACK)
    journal.answer(first, "ok", 3.0)
    assert [r.id for r in journal.requests()] == [second]
    answered = journal.request(first)
    assert answered is not None
    assert (answered.answer, answered.handled_at) == ("ok", 3.0)
    assert journal.request(12345) is None


def test_a_detail_that_no_request_has_is_a_mistake(journal: SqliteJournal) -> None:
    with pytest.raises(TypeError, match="forced"):
        journal.ask(RequestKind.RECONCILE, "shop", "ada", 1.0, forced=True)


# Baselines


def test_baselines_of_containers_that_are_gone_are_dropped(journal: SqliteJournal) -> None:
    for container in ("c1", "c2", "c3"):
        journal.save_baseline(container, "shop", SETTINGS)
    journal.forget_baselines(frozenset({"c2"}))
    assert journal.baselines() == {"c2": SETTINGS}
    changed = replace(SETTINGS, name="web-2")
    journal.save_baseline("c2", "shop", changed)
    assert journal.baselines() == {"c2": changed}


# Many writers


def test_the_version_changes_when_anybody_writes_and_only_then(path: Path, journal: SqliteJournal) -> None:
    with journal_at(path) as other:
        versions = [journal.version()]
        journal.stacks()
        other.stacks()
        assert journal.version() == versions[-1]
        for writer in (journal, other, journal, other):
            writer.tell("shop", "info", "R", "", "", 1.0)
            versions.append(journal.version())
        assert versions == sorted(set(versions))


def test_what_another_process_wrote_is_seen_at_once(path: Path, journal: SqliteJournal) -> None:
    with journal_at(path) as other:
        assert journal.baselines() == {}
        assert journal.releases("shop") == ()
        other.save_baseline("c1", "shop", SETTINGS)
        release = other.add_release("shop", "sha256:1", "a" * 40, "", "git", 1.0)
        assert journal.baselines() == {"c1": SETTINGS}
        assert journal.releases("shop") == (release,)


def test_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    path.parent.mkdir()
    names = ("ada", "bob", "eve")
    writers = [
        start(
            """
            from reconciler.model.record import RequestKind
            print("ready", flush=True)
            sys.stdin.readline()
            with SqliteJournal(Path(sys.argv[1]), synchronous="OFF") as journal:
                for number in range(300):
                    journal.ask(RequestKind.RECONCILE, sys.argv[2], "ada", number)
                    journal.add_release("shop", f"sha256:{sys.argv[2]}-{number}", "a", "", "git", number)
                print(journal.root_id())
            """,
            path,
            name,
        )
        for name in names
    ]
    # All of them find no file: making it, at once, is part of the law.
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert len({finish(writer) for writer in writers}) == 1
    with journal_at(path, mend=True) as journal:
        assert journal.recovered_from is None
        asked = [(r.stack, r.created_at) for r in journal.requests()]
        assert sorted(asked) == [(name, float(n)) for name in names for n in range(300)]
        assert [r.number for r in journal.releases("shop")] == list(range(1, 901))


def test_of_two_processes_that_name_the_root_at_once_the_first_wins(path: Path) -> None:
    first, second = (Database(path, synchronous="OFF", mend=False) for _ in range(2))
    assert claim(first, "one") == claim(second, "two") == "one"
    first.close()
    second.close()


def test_threads_that_write_at_once_lose_nothing(journal: SqliteJournal) -> None:
    def write(stack: str) -> None:
        for number in range(40):
            pass_id = journal.begin_pass(stack, number, PassGoal.APPLY, 1.0)
            journal.intend(pass_id, 0, "web", "start", 1.0)
            journal.baselines()
            journal.end_pass(pass_id, "done", 2.0)

    threads = [threading.Thread(target=write, args=(f"stack{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(A_MINUTE_S)
    for number in range(4):
        passes = journal.passes(f"stack{number}", 100)
        assert [p.release for p in passes] == list(reversed(range(40)))
        assert all(len(journal.steps(p.id)) == 1 for p in passes)


def test_a_writer_killed_at_any_moment_leaves_all_it_was_told_was_written(path: Path) -> None:
    path.parent.mkdir()
    writer = start(
        """
        journal = SqliteJournal(Path(sys.argv[1]))
        number = 0
        while True:
            print(journal.tell("shop", "info", "R", str(number), "", 1.0).id, flush=True)
            number += 1
        """,
        path,
    )
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(50)]
    writer.kill()
    rest = writer.stdout.read()  # not by communicate, which does not see what was read ahead
    writer.communicate(timeout=A_MINUTE_S)
    acknowledged += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    with journal_at(path, mend=True) as journal:
        assert journal.recovered_from is None
        kept = [event.id for event in journal.events(limit=100_000)]
        assert kept[: len(acknowledged)] == acknowledged
        assert len(kept) <= len(acknowledged) + 1


# Damage


def fill(path: Path) -> str:
    with journal_at(path) as journal:
        journal.save_stack(SHOP)
        journal.add_release("shop", "sha256:1", "a" * 40, "", "git", 1.0)
        journal.quarantine("shop", 1, "web never became healthy")
        for number in range(2000):
            journal.tell("shop", "info", "Reason", "a message of some length " * 4, "a" * 40, number)
        return journal.root_id()


def garble(path: Path, offset: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * length)


def test_a_file_that_is_no_database_is_set_aside_and_the_root_stays_the_same(path: Path) -> None:
    identity = fill(path)
    garble(path, 0, 4096)
    before = path.read_bytes()
    with journal_at(path, mend=True) as journal:
        assert journal.recovered_from == path.with_name("state.db.broken-1")
        assert journal.recovered_from.read_bytes() == before
        assert journal.stacks() == ()
        assert journal.root_id() == identity
        journal.save_stack(SHOP)
    with journal_at(path, mend=True) as journal:
        assert journal.recovered_from is None
        assert journal.stacks() == (SHOP,)


def test_of_a_damaged_file_all_that_can_be_read_is_kept(path: Path) -> None:
    identity = fill(path)
    garble(path, path.stat().st_size - 6 * 4096, 6 * 4096)  # pages of events: those came last
    path.with_name("root-id").unlink()
    with journal_at(path, mend=True) as journal:
        assert journal.recovered_from is not None
        assert journal.stacks() == (SHOP,)
        assert journal.releases("shop")[0].quarantined == "web never became healthy"
        assert journal.root_id() == identity
        assert 0 < len(journal.events(limit=10_000)) < 2000


def test_a_file_that_was_cut_short_is_set_aside(path: Path) -> None:
    fill(path)
    os.truncate(path, path.stat().st_size // 2 + 100)
    with journal_at(path, mend=True) as journal:
        assert journal.recovered_from is not None
        journal.save_stack(SHOP)
        assert journal.stack("shop") == SHOP


def test_only_the_holder_of_the_lock_sets_a_damaged_file_aside(path: Path) -> None:
    fill(path)
    garble(path, 0, 4096)
    before = path.read_bytes()
    with pytest.raises(StalledError, match="restart it") as caught:
        journal_at(path)
    assert caught.value.reason == "JournalBroken"
    assert path.read_bytes() == before


def test_damaged_files_do_not_pile_up(path: Path) -> None:
    for _ in range(8):
        fill_nothing(path)
        garble(path, 0, 4096)
        journal_at(path, mend=True).close()
    kept = sorted(found.name for found in path.parent.glob("*broken*"))
    assert kept == [f"state.db.broken-{number}" for number in range(4, 9)]


def fill_nothing(path: Path) -> None:
    journal_at(path).close()


# Other trouble


@pytest.mark.parametrize("mend", [False, True])
def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(path: Path, mend: bool) -> None:
    fill_nothing(path)
    with closing(sqlite3.connect(path)) as direct:
        direct.execute("PRAGMA user_version = 99")
        direct.commit()
    with pytest.raises(StalledError, match="newer reconciler") as caught:
        journal_at(path, mend=mend)
    assert caught.value.reason == "JournalTooNew"
    assert not list(path.parent.glob("*broken*"))


def test_a_full_database_is_something_that_time_mends(path: Path, journal: SqliteJournal) -> None:
    journal.save_stack(SHOP)
    journal._database.read(f"PRAGMA max_page_count = {journal._database.read('PRAGMA page_count')[0][0]}")
    with pytest.raises(WaitingError, match="is full") as caught:
        tell_much(journal)
    assert caught.value.reason == "DiskFull"
    kept = journal.events(limit=10_000)
    journal._database.read("PRAGMA max_page_count = 100000")
    journal.tell("shop", "info", "Reason", "there is room again", "", 1.0)
    assert len(journal.events(limit=10_000)) == len(kept) + 1


def tell_much(journal: SqliteJournal) -> None:
    for number in range(1000):
        journal.tell("shop", "info", "Reason", "a message of some length " * 40, "", number)


def test_the_files_are_private_whatever_the_umask(path: Path) -> None:
    old = os.umask(0)
    try:
        with journal_at(path) as journal:
            journal.save_stack(SHOP)
            modes = {found.name: found.stat().st_mode & 0o777 for found in path.parent.iterdir()}
        path.chmod(0o644)
        journal_at(path).close()
    finally:
        os.umask(old)
    assert set(modes) >= {"state.db", "state.db-wal", "state.db-shm", "root-id"}
    assert set(modes.values()) == {0o600}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user to read as")
@pytest.mark.parametrize("folder_mode", [0o700, 0o755])
def test_another_user_is_told_whose_file_it_is(folder_mode: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        path = Path(root) / "state" / "state.db"
        fill_nothing(path)
        os.chmod(root, 0o755)
        path.parent.chmod(folder_mode)
        said = said_as_another_user(path)
    assert said.startswith("JournalForbidden")
    assert "belongs to root" in said


def test_where_nobody_may_write_it_does_not_matter_whose_the_file_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_nothing(path)
    known = list(os.statvfs(path.parent))
    known[8] |= os.ST_RDONLY
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(known))
    refusal = sqlite3.OperationalError("unable to open database file")
    refusal.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    said = translate(refusal, path)
    assert isinstance(said, WaitingError)
    assert "may only be read (findmnt -T" in str(said)
    assert "sudo" not in str(said)


def said_as_another_user(path: Path) -> str:
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            journal_at(path)
            said = "opened"
        except BaseException as error:  # noqa: BLE001 - the parent judges it
            said = f"{getattr(error, 'reason', type(error).__name__)}: {error}"
        os.write(write_end, said.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def test_a_root_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StalledError, match="reconciler init") as caught:
        journal_at(tmp_path / "typo" / "state" / "state.db")
    assert caught.value.reason == "NoRoot"
    assert not (tmp_path / "typo").exists()
