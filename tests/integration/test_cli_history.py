"""``reconciler history`` and ``reconciler events``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.adapters.release_store import ReleaseFiles
from reconciler.model.hook import HookRecord, HookState, Phase
from reconciler.model.manifest import Manifest
from reconciler.model.record import Outcome, PassGoal
from reconciler.planning.archive import pack
from tests.builders import release
from tests.integration.cli_root import COMMIT, NOON, OLDER, WEB, Root

ADA = "commit by Ada <ada@example.com>"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    found = Root(tmp_path / "root")
    with found.journal as journal:
        found.save(WEB)
        journal.add_release("web", "sha-1", OLDER, "First stack", ADA, NOON)
        journal.end_release("web", 1, Outcome.APPLIED, NOON + 5.2)
        journal.add_release("web", "sha-2", COMMIT, "Newer image", ADA, NOON + 60)
        journal.pin_images("web", 2, {"rig/app:2": "sha256:2222"})
        journal.end_release("web", 2, Outcome.APPLIED, NOON + 72)
        journal.add_release("web", "sha-3", COMMIT, "Break it", ADA, NOON + 90)
        journal.end_release("web", 3, Outcome.FAILED, NOON + 200)
        journal.quarantine("web", 3, "step 3: web-2 ended with exit status 3\nIts last lines:\nboom")
        yield found


def test_history_shows_the_newest_first_marks_what_runs_and_says_why_one_is_in_quarantine(root: Root) -> None:
    done = root.call("history", "web")
    assert done.stdout == (
        "RELEASE  REVISION   OUTCOME              WHEN                 TOOK   ASKED BY                         SUBJECT\n"
        f"3        3f4a2b1c9  failed, quarantined  2026-01-01 12:01:30  1m50s  {ADA}  Break it\n"
        f"2 *      3f4a2b1c9  applied              2026-01-01 12:01:00  12s    {ADA}  Newer image\n"
        f"1        aaaabbbbc  applied              2026-01-01 12:00:00  5.2s   {ADA}  First stack\n"
        "release 3 is quarantined: step 3: web-2 ended with exit status 3 …\n"
    )
    assert done.exit_code == 0


def test_programs_get_each_release_with_its_images(root: Root) -> None:
    newest, current, oldest = root.json("history", "web")
    assert current == {
        "number": 2,
        "revision": COMMIT,
        "subject": "Newer image",
        "outcome": "applied",
        "quarantined": "",
        "current": True,
        "createdAt": "2026-01-01T12:01:00.000Z",
        "endedAt": "2026-01-01T12:01:12.000Z",
        "durationSeconds": 12.0,
        "askedBy": ADA,
        "digest": "sha-2",
        "images": {"rig/app:2": "sha256:2222"},
    }
    assert newest["quarantined"].endswith("boom")
    assert (oldest["number"], oldest["current"]) == (1, False)


def test_steps_shows_every_step_of_the_last_passes_with_what_went_wrong(root: Root) -> None:
    journal = root.journal
    number = journal.begin_pass("web", 3, PassGoal.APPLY, NOON)
    journal.intend(number, 1, "web", "start web's new container", NOON)
    journal.done(number, 1, NOON + 0.4)
    journal.intend(number, 2, "web", "wait until web is healthy", NOON + 1)
    journal.failed(number, 2, "it ended\nboom", NOON + 13)
    journal.end_pass(number, "failed", NOON + 13)
    assert root.call("history", "web", "--steps").stdout == (
        "pass 1: apply release 3, failed after 13s, 2026-01-01 12:00:00\n"
        "   1. done       0.4s  start web's new container\n"
        "   2. failed      12s  wait until web is healthy\n"
        "        it ended\n"
        "        boom\n"
    )
    (found,) = json.loads(root.call("history", "web", "--steps", "-o", "json").stdout)
    assert (found["goal"], found["release"], found["outcome"]) == ("apply", 3, "failed")
    assert found["steps"][1] == {
        "number": 2,
        "service": "web",
        "text": "wait until web is healthy",
        "state": "failed",
        "error": "it ended\nboom",
        "beganAt": "2026-01-01T12:00:01.000Z",
        "endedAt": "2026-01-01T12:00:13.000Z",
    }


def test_a_pass_that_was_cut_short_is_told_from_one_that_ended(root: Root) -> None:
    root.journal.begin_pass("web", 3, PassGoal.APPLY, NOON)
    assert "pass 1: apply release 3, under way or cut short, begun " in root.call("history", "web", "--steps").stdout


def test_history_of_an_unknown_stack_names_the_nearest(root: Root) -> None:
    done = root.call("history", "wbe")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith('error: there is no stack "wbe"')


def test_events_are_one_a_line_in_a_pipe_the_newest_last(root: Root) -> None:
    root.journal.tell("", "error", "FetchFailed", "it does not answer", "", NOON)
    root.journal.tell("web", "info", "Applied", "release 2 is applied\nand proven", COMMIT, NOON + 1)
    assert root.call("events").stdout == (
        "ID  WHEN                 STACK  SEVERITY  REASON       MESSAGE\n"
        "1   2026-01-01 12:00:00  -      error     FetchFailed  it does not answer\n"
        "2   2026-01-01 12:00:01  web    info      Applied      release 2 is applied and proven\n"
    )


def test_events_can_be_asked_for_by_stack_and_from_an_id_on(root: Root) -> None:
    for number in range(3):
        root.journal.tell("web", "info", f"R{number}", "", "", NOON)
    root.journal.tell("", "info", "Host", "", "", NOON)
    assert [event["reason"] for event in root.json("events", "web")] == ["R0", "R1", "R2"]
    assert [event["reason"] for event in root.json("events", "--since", "2")] == ["R2", "Host"]


def test_an_event_has_exactly_the_documented_keys(root: Root) -> None:
    root.journal.tell("web", "info", "Applied", "release 2", COMMIT, NOON)
    assert root.json("events") == [
        {
            "id": 1,
            "at": "2026-01-01T12:00:00.000Z",
            "stack": "web",
            "severity": "info",
            "reason": "Applied",
            "message": "release 2",
            "revision": COMMIT,
        }
    ]


def test_no_event_is_said_on_standard_error_and_an_empty_list_for_programs(root: Root) -> None:
    done = root.call("events")
    assert (done.stdout, done.stderr) == ("", "nothing happened yet\n")
    assert root.json("events") == []


def test_hooks_are_shown_with_their_pass_and_the_end_of_what_they_said(root: Root) -> None:
    said = "\n".join(f"row {number}" for number in range(30))
    with root.journal as journal:
        pass_id = journal.begin_pass("web", 2, PassGoal.APPLY, NOON)
        ran = HookRecord("web", 2, 1, Phase.PRE_SYNC, "dump", HookState.DONE, pass_id, NOON, NOON + 2, 0, said)
        journal.hooks.save_hook(ran)
    told = root.call("history", "web", "--steps").stdout
    assert "hook preSync dump: done, exit status 0, 2.0s, attempt 1\n" in told, told
    assert "the last 20 of 30 lines" in told
    assert "row 9\n" not in told
    (hook,) = root.json("history", "web", "--steps")[0]["hooks"]
    assert (hook["output"], hook["exitCode"], hook["durationSeconds"]) == (said, 0, 2.0)


def keep(root: Root, number: int, image: str, image_id: str) -> None:
    found = replace(release({"web": {"image": image}}), stack="web", number=number, images={image: image_id})
    ReleaseFiles(root.layout.root).save("web", number, pack(found, Manifest("web", "web", ("compose.yaml",))))


def test_one_release_is_told_with_what_it_changed_and_how_it_went(root: Root) -> None:
    keep(root, 1, "rig/app:1", "sha256:1111")
    keep(root, 2, "rig/app:2", "sha256:2222")
    journal = root.journal
    number = journal.begin_pass("web", 2, PassGoal.APPLY, NOON + 60)
    journal.end_pass(number, "done", NOON + 72)
    hook = HookRecord("web", 2, 1, Phase.PRE_SYNC, "dump", HookState.DONE, number, NOON + 61, NOON + 64)
    journal.hooks.save_hook(hook)
    assert root.call("history", "web", "2").stdout == (
        "release 2 of web: applied, it runs\n"
        "  commit     3f4a2b1c9  Newer image\n"
        f"  asked by   {ADA}\n"
        "  begun      2026-01-01 12:01:00, took 12s\n"
        "  follows    release 1\n"
        "Changed:\n"
        "  web changed: image rig/app:1 (1111) -> rig/app:2 (2222)\n"
        "Images:\n"
        "  rig/app:2  sha256:2222\n"
        "Hooks:\n"
        "  preSync dump: done, 3.0s\n"
        "Passes:\n"
        "  pass 1, apply: done, 12s\n"
    )
    (told,) = root.json("history", "web", "2")
    assert told["follows"] == 1
    assert told["changes"] == [
        {
            "service": "web",
            "verb": "changed",
            "keys": ["image"],
            "image": {"old": "rig/app:1 (1111)", "new": "rig/app:2 (2222)"},
        }
    ]
    assert [step["outcome"] for step in told["passes"]] == ["done"]


def test_of_a_release_whose_model_is_gone_the_rest_is_told(root: Root) -> None:
    said = root.call("history", "web", "3").stdout
    assert "quarantine step 3: web-2 ended with exit status 3\n" in said
    assert "  not known any more: only the models of the releases that can be gone back to are kept\n" in said
    assert root.json("history", "web", "3")[0]["changes"] is None


def test_a_release_that_there_is_not_is_a_clear_error(root: Root) -> None:
    done = root.call("history", "web", "9")
    assert done.exit_code == 2
    assert "web has no release 9; see: reconciler history web" in done.stderr
