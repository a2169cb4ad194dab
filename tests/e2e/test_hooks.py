"""Hooks on a real engine: they gate a release, run once, tell what they must and nothing more, and leave nothing behind."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.models import service, stack, version
from tests.e2e.served import STACK as VAULT
from tests.e2e.served import Served
from tests.e2e.test_crash import Crashes
from tests.e2e.world import World, eventually
from tests.free_ports import free_port

pytestmark = pytest.mark.engine

SH = "#!/bin/sh\nset -eu\n"
SAYS = f'{SH}echo "$RECONCILER_PHASE $RECONCILER_HOOK $RECONCILER_ON $RECONCILER_RELEASE $RECONCILER_CUT_SHORT" >> '


class Diary:
    """What the hooks of a world wrote down, outside of everything that is the product's."""

    def __init__(self, world: World) -> None:
        self.path = world.home / "diary"

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def script(self, more: str = "") -> str:
        return f"{SAYS}{self.path}\n{more}\n"


def lives(pid: str) -> bool:
    """A process that has ended may stand in the list until somebody asks for its exit status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def diary(world: World) -> Diary:
    return Diary(world)


def commit(world: World, files: dict[str, str], scripts: dict[str, str] | None = None) -> str:
    """``scripts``: by name, into the repository's ``hooks/``, executable."""
    for name, text in (scripts or {}).items():
        world.write(f"hooks/{name}", text).chmod(0o755)
    return world.commit(dict(files))


def release(world: World, number: int, hooks: dict[str, Any], **web: Any) -> dict[str, str]:
    return world.compose("shop", stack(web={**service(environment=version(number)), **web}), {"hooks": hooks})


def script(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "script": f"hooks/{name}", **more}


def serving(world: World) -> str:
    """VERSION of the container of web that runs."""
    (found,) = [entry for entry in world.containers("shop", "web") if entry["State"]["Status"] == "running"]
    environment: list[str] = found["Config"]["Env"]
    return next(value for value in environment if value.startswith("VERSION="))


def test_hooks_run_in_the_order_of_their_names_around_what_changes(world: World, diary: Diary) -> None:
    hooks = {
        "preSync": [script("b-second"), script("a-first")],
        "postSync": [script("smoke"), script("only-releases", on=["release"])],
    }
    scripts = dict.fromkeys(("a-first", "b-second", "smoke", "only-releases"), diary.script())
    commit(world, release(world, 1, hooks), scripts)
    assert world.once().returncode == 0
    commit(world, release(world, 2, hooks))
    told = world.cli("diff", world.name("shop")).stdout
    assert "run preSync hook a-first" in told
    assert "hooks.preSync, on config" in told
    assert world.once().returncode == 0
    assert diary.lines == [
        "preSync a-first first 1 false",
        "preSync b-second first 1 false",
        "postSync smoke first 1 false",
        "preSync a-first config 2 false",
        "preSync b-second config 2 false",
        "postSync smoke config 2 false",
    ]
    steps = world.steps("shop")
    assert steps[:2] == ["run preSync hook a-first", "run preSync hook b-second"]
    assert steps.index("run postSync hook smoke") < next(n for n, text in enumerate(steps) if text.startswith("remove"))


def test_a_presync_hook_that_fails_stops_everything_before_any_change(world: World, diary: Diary) -> None:
    commit(world, release(world, 1, {}))
    assert world.once().returncode == 0
    before = world.running("shop")
    gate = f"{SH}echo the gate is shut\nexit 3\n"
    commit(world, release(world, 2, {"preSync": [script("gate")]}), {"gate": gate})
    assert world.once().returncode == 1
    assert world.running("shop") == before
    message = world.message("shop")
    assert "the preSync hook gate failed: it ended with exit status 3" in message
    assert "the gate is shut" in message
    assert world.releases("shop")[0]["quarantined"]
    assert world.once().returncode == 1  # it is not tried again
    assert len([p for p in world.passes("shop") if p["goal"] == "apply"]) == 2


def test_a_smoke_test_that_fails_rolls_back_to_the_old_containers(world: World, diary: Diary) -> None:
    port = free_port()
    web = {
        "ports": [f"127.0.0.1:{port}:80"],
        "command": ["sh", "-c", "mkdir /w; echo v$$VERSION >/w/index.html; exec httpd -f -p 80 -h /w"],
    }
    smoke = {"name": "smoke", "http": {"url": "http://127.0.0.1:{PORT}/", "contains": "v1"}, "timeout": "3s"}
    hooks = {"postSync": [smoke], "syncFail": [script("told")]}
    tell = f'{SH}cat "$RECONCILER_CONTEXT" > {diary.path}.json\n{SAYS.removeprefix(SH)}{diary.path}\n'
    world.write_environment("shop", f"PORT={port}\n")
    commit(world, release(world, 1, hooks, **web), {"told": tell})
    assert world.once().returncode == 0, world.message("shop")
    before = world.ids("shop")
    commit(world, release(world, 2, hooks, **web))
    assert world.once().returncode == 1
    assert world.ids("shop") == before
    assert serving(world) == "VERSION=1"
    message = world.message("shop")
    assert "the body does not contain 'v1'" in message
    assert "Release 1 serves as before" in message
    assert diary.lines == ["syncFail told config 2 false"]
    seen = json.loads(Path(f"{diary.path}.json").read_text())
    assert seen["failed"]["step"] == "run postSync hook smoke"
    assert "was not answered as expected" in seen["failed"]["error"]
    (change,) = seen["changedServices"]
    assert change["service"] == "web"


def test_a_failing_that_does_not_abort_is_told_and_passed_over(world: World) -> None:
    hooks = {"preSync": [script("nice", onFailure="continue")]}
    commit(world, release(world, 1, hooks), {"nice": f"{SH}exit 9\n"})
    assert world.once().returncode == 0
    (event,) = world.told("shop", "HookFailed")
    assert "exit status 9" in event.message


def test_a_hung_hook_is_ended_with_all_that_it_started(world: World, diary: Diary) -> None:
    hang = f"{SH}trap '' TERM\nsleep 1000 &\necho $! > {diary.path}\nsetsid sleep 1000 &\necho $! >> {diary.path}\nwait\nsleep 1000\n"
    commit(world, release(world, 1, {"preSync": [script("hang", timeout="1s")]}), {"hang": hang})
    assert world.once().returncode == 1
    assert "has not ended within 1 s" in world.message("shop")
    assert len(diary.lines) == 2
    assert [pid for pid in diary.lines if lives(pid)] == []


def test_a_hook_that_runs_when_the_daemon_leaves_is_ended_and_run_again(world: World, diary: Diary) -> None:
    slow = diary.script(f'if [ "$RECONCILER_CUT_SHORT" = false ]; then echo $$ > {diary.path}.pid; sleep 1000; fi')
    commit(world, release(world, 1, {"preSync": [script("slow")]}), {"slow": slow})
    daemon = world.start_daemon()
    pid = Path(f"{diary.path}.pid")
    eventually(lambda: pid.exists() and pid.read_text().strip())
    assert daemon.terminate() == 0
    assert not lives(pid.read_text().strip())
    assert world.once().returncode == 0
    assert diary.lines == ["preSync slow first 1 false", "preSync slow first 1 true"]


def test_a_hook_that_a_kill_cut_short_is_run_again_and_what_is_left_of_it_is_ended(world: World, diary: Diary) -> None:
    slow = diary.script(f'if [ "$RECONCILER_CUT_SHORT" = false ]; then echo $$ > {diary.path}.pid; sleep 1000; fi')
    hooks = {"preSync": [script("a-quick"), script("slow")]}
    commit(world, release(world, 1, hooks), {"a-quick": diary.script(), "slow": slow})
    daemon = world.start_daemon()
    pid = Path(f"{diary.path}.pid")
    eventually(lambda: pid.exists() and pid.read_text().strip())
    daemon.kill()
    assert lives(pid.read_text().strip())
    assert world.once().returncode == 0
    assert not lives(pid.read_text().strip())
    assert diary.lines == [
        "preSync a-quick first 1 false",
        "preSync slow first 1 false",
        "preSync slow first 1 true",
    ]


def test_a_migration_runs_in_a_container_of_the_new_release_and_is_gone_afterwards(world: World, diary: Diary) -> None:
    commit(world, release(world, 1, {}))
    assert world.once().returncode == 0
    migrate = {
        "service": "web",
        "command": ["sh", "-c", "echo $VERSION for $RECONCILER_RELEASE; grep -c revision $RECONCILER_CONTEXT"],
    }
    hooks = {"preSync": [{"name": "migrate", "run": migrate}]}
    commit(world, release(world, 2, hooks))
    assert world.once().returncode == 0, world.message("shop")
    (run,) = world.passes("shop")[0]["hooks"]
    assert (run["state"], run["exitCode"]) == ("done", 0)
    assert "2 for 2" in run["output"]
    assert len(world.containers("shop")) == 1


def test_a_migration_that_hangs_leaves_no_container(world: World) -> None:
    migrate = {"service": "web", "command": ["sh", "-c", "sleep 1000"]}
    commit(world, release(world, 1, {"preSync": [{"name": "migrate", "run": migrate, "timeout": "2s"}]}))
    assert world.once().returncode == 1
    assert "has not ended within 2 s" in world.message("shop")
    assert world.containers("shop") == []


def test_a_migration_that_a_kill_cut_short_leaves_no_container(world: World) -> None:
    migrate = {"service": "web", "command": ["sh", "-c", "[ $RECONCILER_CUT_SHORT = true ] || sleep 1000"]}
    commit(world, release(world, 1, {"preSync": [{"name": "migrate", "run": migrate}]}))
    daemon = world.start_daemon()
    eventually(lambda: [found for found in world.containers("shop") if found["State"]["Status"] == "running"])
    daemon.kill()
    assert world.once().returncode == 0, world.message("shop")
    (left,) = world.containers("shop")
    assert left["Name"] == f"/{world.name('shop')}-web-1"


def test_a_command_inside_a_service_sees_the_new_container_after_the_sync(world: World) -> None:
    inside = {"name": "ask", "exec": {"service": "web", "command": ["sh", "-c", "echo inside $VERSION; exit 0"]}}
    commit(world, release(world, 1, {}))
    assert world.once().returncode == 0
    commit(world, release(world, 2, {"preSync": [inside], "postSync": [inside]}))
    assert world.once().returncode == 0, world.message("shop")
    said = {run["phase"]: run["output"] for run in world.passes("shop")[0]["hooks"]}
    assert said == {"preSync": "inside 1", "postSync": "inside 2"}


def test_a_command_that_hangs_inside_a_service_is_ended_there(world: World) -> None:
    inside = {"name": "hang", "exec": {"service": "web", "command": ["sleep", "12345"]}, "timeout": "1s"}
    commit(world, release(world, 1, {}))
    assert world.once().returncode == 0
    commit(world, release(world, 2, {"preSync": [inside]}))
    assert world.once().returncode == 1
    assert "has not ended within 1 s" in world.message("shop")
    assert "sleep 12345" not in world.docker("top", world.container("shop", "web")["Id"])


def test_no_secret_is_written_down_anywhere(world: World) -> None:
    secret = "correct-horse-4711-battery"
    world.write_environment("shop", f"DB_PASSWORD={secret}\n")
    leak = f"{SH}env; cat \"$RECONCILER_ENV_FILE\"; printf '%s' 'xx{secret}'\nexit 1\n"
    hooks = {"preSync": [script("leak")], "syncFail": [script("leak")]}
    commit(world, release(world, 1, hooks), {"leak": leak})
    daemon = world.start_daemon()
    world.await_failure("shop")
    eventually(
        lambda: [
            run
            for found in world.passes("shop")
            for run in found["hooks"]
            if run["phase"] == "syncFail" and run["endedAt"]
        ]
    )
    daemon.terminate()
    assert "DB_PASSWORD=(secret)" in world.message("shop")
    assert secret not in daemon.log.read_text()
    state = world.root / "state"
    kept = [path for path in state.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert [
        path
        for path in kept
        if "objects" not in path.parts
        and "mirror.git" not in path.parts
        and "checkouts" not in path.parts
        and "releases" not in path.parts
    ] == []


def test_mending_drift_runs_no_hook(world: World, diary: Diary) -> None:
    hooks = {"preSync": [script("seen")], "postSync": [script("seen")], "syncFail": [script("seen")]}
    commit(world, release(world, 1, hooks), {"seen": diary.script()})
    assert world.once().returncode == 0
    ran = diary.lines
    world.docker("rm", "--force", world.container("shop", "web")["Id"])
    assert world.once().returncode == 0
    assert serving(world) == "VERSION=1"
    assert diary.lines == ran


def test_going_back_by_hand_runs_the_hooks_of_a_rollback(world: World, diary: Diary) -> None:
    hooks = {"postSync": [script("seen", on=["rollback"])]}
    for number in (1, 2):
        commit(world, release(world, number, hooks), {"seen": diary.script()})
        assert world.once().returncode == 0
    assert world.cli("rollback", world.name("shop"), "1").returncode in (0, 1)
    world.once()
    assert serving(world) == "VERSION=1"
    assert diary.lines == ["postSync seen rollback 1 false"]


@pytest.mark.parametrize("fails", [False, True], ids=["applied", "undone"])
def test_killed_at_any_moment_each_hook_comes_to_its_end_once_or_knows_that_it_did_not(
    world: World, diary: Diary, fails: bool
) -> None:
    hooks = {"preSync": [script("gate")], "postSync": [script("smoke")], "syncFail": [script("told")]}
    smoke = diary.script('[ "$RECONCILER_RELEASE" = 1 ] || exit 1' if fails else "")
    commit(world, release(world, 0, hooks), {"gate": diary.script(), "smoke": smoke, "told": diary.script()})
    crashes = Crashes(world, "hooks")
    eventually(lambda: world.status("shop").get("ready") == "True")
    # Every second one, which is each of the kinds of moments in turn; the loop's own laws meet every one of them.
    for moment in crashes.moments(every=2):
        diary.path.unlink()
        last = commit(world, release(world, moment, hooks))
        eventually(partial(is_over, crashes, last, fails))
        assert serving(world) == f"VERSION={0 if fails else moment}"
        ran = [(line.split()[1], line.split()[-1]) for line in diary.lines]
        assert list(dict(ran)) == ["gate", "smoke", *(["told"] if fails else [])], ran
        assert len(set(ran)) == len(ran), ran  # whoever ran twice was told the second time, of whom one is enough
        assert len(ran) - len(dict(ran)) <= 1, ran
    assert len(crashes.kills) > 5
    assert crashes.daemon.terminate() == 0


def is_over(crashes: Crashes, commit: str, fails: bool) -> bool:
    """Asked in this order: once the release is decided, a pass is open or a hook is owed until all is over."""
    world = crashes.world
    with world.journal() as journal:
        assert journal is not None
        newest = journal.releases(world.name("shop"))[-1]
        is_decided = newest.outcome.value == ("failed" if fails else "applied") and newest.revision == commit
        if not is_decided or crashes.has_open_pass("shop"):
            return False
        pending = [run for run in journal.hooks.hooks(world.name("shop")) if run.ended_at is None]
    return not pending and (fails or world.status("shop")["ready"] == "True")


def test_a_rehearsal_shows_everything_and_runs_nothing(world: World, diary: Diary) -> None:
    world.write_environment("shop", "PORT=8081\nTOKEN=Zr4mPq9Lw2xVb7Kd\n")
    smoke = {"name": "smoke", "http": {"url": "http://127.0.0.1:{PORT}/{TOKEN}"}, "on": ["release"]}
    hooks = {"preSync": [script("gate", arguments=["a b"])], "postSync": [smoke]}
    commit(world, release(world, 1, hooks), {"gate": diary.script()})
    told = world.cli("hooks", "list", world.name("shop")).stdout.splitlines()
    assert [line.split()[:2] for line in told[1:]] == [["preSync", "gate"], ["postSync", "smoke"]]
    shown = world.cli("hooks", "run", world.name("shop"), "gate").stdout
    assert "'a b'" in shown
    assert "RECONCILER_ON=first" in shown
    (one,) = json.loads(world.cli("hooks", "run", world.name("shop"), "smoke", "-o", "json").stdout)
    assert (one["command"], one["runs"]) == (["GET", "http://127.0.0.1:8081/(secret)"], False)
    wrong = world.cli("hooks", "run", world.name("shop"), "smok")
    assert (wrong.returncode, 'did you mean "smoke"?' in wrong.stderr) == (2, True)
    assert diary.lines == []


def test_another_certificate_that_a_proxy_shows_is_told_to_its_stack(world: World, diary: Diary) -> None:
    made, domain = Served(world), "a.example.com"
    world.write("hooks/tell", f'{SH}echo "$RECONCILER_ON $RECONCILER_DOMAINS" >> {diary.path}\n').chmod(0o755)
    commit = made.install(domain, manifest={"hooks": {"postCert": [script("tell")]}})
    with world.daemon():
        world.await_ready(VAULT, commit)
        for round in (1, 2):
            issued = made.ca.issue(domain)
            made.drop("a", issued)
            made.await_shown(domain, issued)
            eventually(lambda: diary.lines, partial(has_lines, round))
        assert diary.lines == [f"cert {domain}"] * 2
        assert world.told(VAULT, "HookFailed") == []


def has_lines(count: int, lines: list[str]) -> bool:
    return len(lines) >= count
