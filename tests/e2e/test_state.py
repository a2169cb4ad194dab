"""What is lost, away or broken beside what runs: state.db, all of ``state/``, the mirror, the source. What runs goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.models import script, service, stack, version
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine

SECRET = "correct-horse-battery-staple"


def release(world: World, number: int, **web: Any) -> dict[str, str]:
    """A service of two, and the file that it mounts, differ from release to release."""
    web = service(environment=version(number), volumes=["./site:/site:ro"]) | web
    return {
        **world.compose("shop", stack(web=web, other=service())),
        f"stacks/{world.name('shop')}/site/number": str(number),
    }


def install(world: World) -> str:
    """Release 1 runs, and no daemon does."""
    commit = world.commit(release(world, 1))
    with world.daemon():
        world.await_ready("shop", commit)
    return commit


def site(world: World) -> str:
    """The file that ``web`` mounts, as it sees it; "" where it sees none."""
    container = world.container("shop", "web")["Id"]
    words = ["docker", "exec", container, "cat", "/site/number"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def state(world: World) -> Path:
    return world.root / "state"


def delete_journal(world: World) -> None:
    for file in state(world).glob("state.db*"):
        file.unlink()


# Lost


def test_without_state_db_what_runs_is_taken_for_what_it_is(world: World) -> None:
    commit = install(world)
    before = world.running("shop")
    delete_journal(world)
    with world.daemon():
        world.await_ready("shop", commit)
        assert world.running("shop") == before
        assert [entry["outcome"] for entry in world.releases("shop")] == ["applied"]
        world.await_ready("shop", world.commit(release(world, 2)))
        assert site(world) == "2"


def test_without_state_db_a_release_that_fails_takes_nothing_away_of_what_ran(world: World) -> None:
    install(world)
    before = world.running("shop")
    delete_journal(world)
    commit = world.commit(release(world, 2, **script("exit 7")))
    with world.daemon():
        status = world.await_failure("shop", "HealthCheckFailed")
        assert status["attemptedRevision"] == commit
        eventually(lambda: len(world.containers("shop")) == 2)
        assert world.running("shop") == before
        world.await_ready("shop", world.commit(release(world, 3)))


def test_without_its_whole_state_a_root_knows_its_own_again_and_replaces_nothing(world: World) -> None:
    commit = install(world)
    before = world.ids("shop")
    other = world.container("shop", "other")["State"]["StartedAt"]
    shutil.rmtree(state(world))
    with world.daemon():
        world.await_ready("shop", commit)
        assert world.ids("shop") == before
        assert world.container("shop", "other")["State"]["StartedAt"] == other
        eventually(lambda: site(world) == "1")
        world.await_ready("shop", world.commit(release(world, 2)))
        assert site(world) == "2"


def test_mounted_copies_that_were_deleted_are_laid_out_and_mounted_anew(world: World) -> None:
    world.write_settings(interval="1h")
    commit = world.commit(release(world, 1))
    with world.daemon():
        world.await_ready("shop", commit)
        before = world.ids("shop")
        other = world.container("shop", "other")["State"]["StartedAt"]
        shutil.rmtree(state(world) / "objects")
        eventually(lambda: site(world) == "1")
        assert world.ids("shop") == before
        assert world.container("shop", "other")["State"]["StartedAt"] == other


def test_a_mirror_that_was_deleted_is_made_anew(world: World) -> None:
    commit = install(world)
    before = world.running("shop")
    mirror = state(world) / "mirror.git"
    shutil.rmtree(mirror)
    with world.daemon():
        eventually(mirror.is_dir)
        world.await_ready("shop", commit)
        mirror.rename(
            world.home / "mirror-that-was"
        )  # at once: a daemon that writes into it would keep rmtree from its end
        world.await_ready("shop", world.commit(release(world, 2)))
    assert world.running("shop").keys() != before.keys()
    assert [event.reason for event in world.told("shop") if event.severity == "error"] == []


# Away


def test_while_the_source_is_away_drift_is_mended_and_the_trouble_is_told_once(world: World) -> None:
    world.write_settings(interval="1s")
    install(world)
    world.repository.rename(world.home / "away")
    with world.daemon():
        (trouble,) = eventually(lambda: world.told("", "RepositoryNotFound"))
        world.docker("kill", world.container("shop", "web")["Id"])
        eventually(lambda: world.told("shop", "DriftMended"))
        assert str(world.repository) in trouble.message
        assert "could not be fetched" in world.cli("reconcile", "--wait").stderr
        assert world.told("", "RepositoryNotFound") == [trouble]
        (world.home / "away").rename(world.repository)
        world.await_ready("shop", world.commit(release(world, 2)))
        assert [event.reason for event in world.told("")] == ["RepositoryNotFound", "Fetched"]


def test_without_mirror_and_source_what_runs_is_kept_and_nothing_is_said_to_be_gone(world: World) -> None:
    commit = install(world)
    shutil.rmtree(state(world) / "mirror.git")
    world.repository.rename(world.home / "away")
    with world.daemon():
        world.docker("kill", world.container("shop", "web")["Id"])
        eventually(lambda: world.told("shop", "DriftMended"))
        assert world.status("shop")["reason"] == "FetchFailed"
        (world.home / "away").rename(world.repository)
        world.await_ready("shop", commit)
    assert world.told("shop", "StackGone") == []


# Kept to itself


def test_a_secret_is_in_no_log_no_event_no_status_and_nowhere_in_state_db(world: World) -> None:
    world.write_environment("shop", f"DB_PASSWORD={SECRET}\n")
    told = service(environment={"DB_PASSWORD": "${DB_PASSWORD}"})
    shouting = script('echo "the password is $$DB_PASSWORD" >&2; exit 7', environment=told["environment"])
    called = told | {"command": ["${DB_PASSWORD}"], "entrypoint": []}
    with world.daemon() as daemon:
        world.await_ready("shop", world.commit(world.compose("shop", stack(web=told))))
        for reason, failing in (("HealthCheckFailed", shouting), ("StartFailed", called)):
            world.commit(world.compose("shop", stack(web=failing)))
            status = world.await_failure("shop", reason)
        assert "(secret)" in status["message"]
        world.write_environment("shop", f"DB_PASSWORD=other-{SECRET}\n")
        shown = [
            world.cli(*words, world.name("shop")).stdout for words in (("get",), ("history", "--steps"), ("diff",))
        ]
        shown.append(json.dumps(world.events()))
    everything = {"log": daemon.log.read_bytes(), "shown": "\n".join(shown).encode()}
    everything |= {file.name: file.read_bytes() for file in state(world).glob("state.db*")}
    assert "state.db" in everything
    assert [name for name, content in everything.items() if SECRET.encode() in content] == []
