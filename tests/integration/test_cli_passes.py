"""``once``, ``diff``, ``build`` and ``trace`` on a host in memory, with a real repository and a real journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from reconciler.adapters.root_lock import RootLock
from reconciler.cli.wiring import Parts
from reconciler.model.record import RequestKind
from tests.fakes.clock import FakeClock
from tests.fakes.compose import FakeCompose
from tests.fakes.engine import FakeEngine
from tests.fakes.host import Behaviour, FakeHost
from tests.integration.cli_root import NOON, Root
from tests.integration.local_git import Work


class World:
    """A root whose repository holds the stacks that a test commits, and an engine in memory."""

    def __init__(self, folder: Path) -> None:
        self.root = Root(folder / "root")
        self.repository = Work(folder / "config")
        self.root.layout.settings.write_text(f"source: {{url: {folder}/config}}\n")
        self.host = FakeHost(FakeClock(now=NOON), root_id=self.root.journal.root_id())
        self.compose = FakeCompose(self.host)
        self.host.add_image("app:1", "sha256:app1")
        self.host.add_image("app:2", "sha256:app2")

    def commit(self, subject: str, **images: str) -> str:
        """One stack a name, with one service ``server`` of that image."""
        for name, image in images.items():
            self.repository.write(f"{name}/compose.yaml", f"services: {{server: {{image: '{image}'}}}}\n")
            self.compose.rendered[name] = {"name": name, "services": {"server": service(image)}}
        return self.repository.commit(subject)

    def call(self, *words: str) -> Result:
        return self.root.call(*words)


def service(image: str, **more: Any) -> dict[str, Any]:
    return {"image": image, "environment": {"GREETING": "hello", "DB_PASSWORD": "hunter2hunter2"}, **more}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path)
    monkeypatch.setattr(Parts, "engine", FakeEngine(made.host))
    monkeypatch.setattr(Parts, "compose", made.compose)
    monkeypatch.setattr(Parts, "clock", made.host.clock)
    with made.root.journal:
        yield made


# once


def test_once_says_what_it_does_and_ends_with_0_when_all_is_ready(world: World) -> None:
    commit = world.commit("First stack", web="app:1")
    done = world.call("once")
    assert done.stdout == (
        f"fetched {commit[:9]}: First stack\n"
        "web: make new containers for server\n"
        "web: start server's new container\n"
        "web: wait until server is healthy (within 2m), and for 5s more\n"
        "STACK  SYNC    HEALTH   READY  REASON                   RELEASE  REVISION   MESSAGE\n"
        f"web    Synced  Healthy  True   ReconciliationSucceeded  1        {commit[:9]}  release 1 is healthy\n"
    )
    assert (done.stderr, done.exit_code) == ("", 0)


def test_once_ends_with_1_when_a_stack_is_not_ready_and_shows_the_containers_last_words(world: World) -> None:
    world.host.behaviours["app:2"] = Behaviour(exits_after_s=0.2, exit_code=3, log="boom")
    world.commit("Two stacks", web="app:1", api="app:2")
    done = world.call("once")
    assert done.exit_code == 1
    assert "\napi: HealthCheckFailed: release 1 failed at step 3, " in done.stdout
    assert "\nIts last lines:\nboom\n" in done.stdout
    assert world.root.record("web").applied_release == 1


def test_once_goes_on_from_the_last_fetch_when_the_repository_is_away_but_does_not_call_it_a_success(
    world: World,
) -> None:
    world.commit("First stack", web="app:1")
    world.call("once")
    world.repository.folder.rename(world.repository.folder.with_name("away"))
    done = world.call("once")
    assert done.exit_code == 1
    assert done.stderr.startswith("the repository could not be fetched: ")
    assert "web    Synced  Healthy  True" in done.stdout


def test_once_tries_a_quarantined_release_again_where_it_is_forced(world: World) -> None:
    world.host.behaviours["app:2"] = Behaviour(exits_after_s=0.2)
    world.commit("Bad", web="app:2")
    assert world.call("once").exit_code == 1
    world.host.behaviours["app:2"] = Behaviour()
    assert world.call("once").exit_code == 1
    assert world.call("once", "--force", "web").exit_code == 0


def test_once_does_what_was_asked_for_while_nobody_was_there(world: World) -> None:
    world.commit("First stack", web="app:1")
    world.call("once")
    asked = world.root.journal.ask(RequestKind.RECONCILE, "web", "ada", NOON)
    world.call("once")
    request = world.root.journal.request(asked)
    assert request is not None
    assert request.answer == "ok"


def test_once_refuses_to_force_a_stack_that_is_not_there(world: World) -> None:
    world.commit("First stack", web="app:1")
    done = world.call("once", "--force", "wbe1")
    assert done.exit_code == 2
    assert 'there is no stack "wbe1"' in done.stderr


def test_a_folder_that_was_renamed_is_told_before_its_stack_begins_and_until_the_old_one_is_back(world: World) -> None:
    world.commit("First stack", web="app:1")
    world.call("once")
    world.repository.git("mv", "web", "shop")
    world.commit("Renamed", shop="app:1")
    mending = "If its folder was renamed: shop is another stack, which has no data of web."
    assert (
        f"Note: web, which has the same services (server), left Git as shop came. {mending}"
        in world.call("diff").stdout
    )
    world.call("once")
    world.call("once")
    (event,) = [event for event in world.root.journal.events(stack="shop") if event.reason == "LooksRenamed"]
    assert mending in event.message
    assert "write `name: web` into shop/stack.yaml" in world.root.record("shop").ready.message

    world.repository.write("shop/stack.yaml", "name: web\n")
    world.repository.commit("Named as before")
    world.call("once")
    assert world.root.record("web").ready.message == "release 1 is healthy"
    assert world.root.record("shop").ready.reason == "StackGone"


def test_a_copy_that_was_there_before_another_one_left_is_no_renamed_one(world: World) -> None:
    world.commit("First stack", web="app:1")
    world.call("once")
    world.commit("A copy", shop="app:1")
    world.call("once")
    world.repository.git("rm", "-rq", "web")
    world.commit("The first one left")
    world.call("once")
    assert world.root.record("web").ready.reason == "StackGone"
    assert world.root.record("shop").ready.message == "release 1 is healthy"


def test_once_says_that_the_repository_holds_nothing_for_this_host(world: World) -> None:
    world.commit("Nothing yet")
    done = world.call("once")
    assert done.exit_code == 0
    assert "the repository holds no stack for this host" in done.stderr


def test_a_stack_that_is_for_another_host_is_told_with_why_before_it_ever_ran(world: World) -> None:
    world.repository.write("web/stack.yaml", "hosts: [edge-*]\n")
    world.commit("For the edge", web="app:1")
    world.root.layout.settings.write_text(f"name: core\n{world.root.layout.settings.read_text()}")
    why = 'hosts: in its stack.yaml (edge-*) does not name this host, "core"\n'
    for word in ("once", "diff"):
        done = world.call(word)
        assert (done.exit_code, f"\n  web: {why}" in done.stderr) == (0, True)
    for words in (("diff", "web"), ("build", "web"), ("env", "check", "web")):
        done = world.call(*words)
        assert (done.exit_code, done.stderr) == (2, f"error: web is not for this host: {why}")


@pytest.mark.parametrize("command", ["once", "run"])
def test_a_second_reconciler_refuses_to_start(world: World, command: str) -> None:
    world.commit("First stack", web="app:1")
    with RootLock(world.root.layout.lock):
        done = world.call(command)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: Another reconciler already runs for this root: process ")


def test_once_finishes_what_it_began_though_nobody_reads_what_it_says_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError

    world.commit("First stack", web="app:1")
    monkeypatch.setattr("click.echo", gone)
    world.call("once")
    assert world.root.record("web").applied_release == 1


# diff


def test_diff_prints_the_plan_and_ends_with_1_and_touches_nothing(world: World) -> None:
    commit = world.commit("First stack", web="app:1")
    done = world.call("diff")
    assert done.stdout == (
        f"web at {commit[:9]} (First stack)\n"
        "server  create because it is new\n"
        "\n"
        "Steps, in this order:\n"
        "  1. make new containers for server                             [it is new]\n"
        "  2. start server's new container                               [it is new]\n"
        "  3. wait until server is healthy (within 2m), and for 5s more  [it is new]\n"
    )
    assert (done.exit_code, world.host.touched, world.root.journal.stacks()) == (1, [], ())


def test_diff_ends_with_0_where_nothing_would_happen(world: World) -> None:
    commit = world.commit("First stack", web="app:1")
    world.call("once")
    done = world.call("diff")
    assert (done.exit_code, done.stdout) == (0, f"web at {commit[:9]} (First stack): no differences\n")


def test_diff_says_so_where_a_pass_would_only_report_it(world: World) -> None:
    told = "Note: a pass only reports this: drift: warn in stack.yaml\n"
    world.repository.write("web/stack.yaml", "drift: warn\n")
    world.commit("First stack", web="app:1")
    assert told not in world.call("diff").stdout
    world.call("once")
    world.host.stop(next(iter(world.host.boxes.values())))
    assert told in world.call("diff").stdout
    world.call("once")
    assert world.root.record("web").ready.reason == "DriftFound"
    world.commit("Newer image", web="app:2")
    assert told not in world.call("diff").stdout


def test_diff_is_what_once_then_does(world: World) -> None:
    world.commit("First stack", web="app:1")
    world.call("once")
    world.commit("Newer image", web="app:2")
    planned = [step["text"] for step in json.loads(world.call("diff", "-o", "json").stdout)[0]["steps"]]
    done = [line.removeprefix("web: ") for line in world.call("once").stdout.splitlines() if line.startswith("web: ")]
    assert planned == done


def test_diff_shows_the_other_stacks_where_one_cannot_be_looked_at_and_ends_with_2(world: World) -> None:
    commit = world.commit("Two stacks", web="app:1")
    world.repository.write("api/compose.yaml", "services:\n\tserver: {}\n")
    commit = world.repository.commit("And a broken one")
    done = world.call("diff")
    assert done.exit_code == 2
    assert done.stdout.startswith(
        f"api at {commit[:9]} (And a broken one): cannot be looked at\n"
        "api/compose.yaml:2: a tab indents this line; YAML wants spaces\n"
        "\n"
        f"web at {commit[:9]} (And a broken one)\n"
    )
    assert world.call("diff", "web").exit_code == 1


def test_diff_works_beside_a_daemon(world: World) -> None:
    world.commit("First stack", web="app:1")
    with RootLock(world.root.layout.lock):
        assert world.call("diff").exit_code == 1


def test_diff_can_look_at_another_revision_and_refuses_one_that_is_not_there(world: World) -> None:
    first = world.commit("First stack", web="app:1")
    world.commit("Second", web="app:1", api="app:1")
    done = world.call("diff", "--revision", first)
    assert done.stdout.startswith(f"web at {first[:9]} (First stack)\n")
    assert "api" not in done.stdout
    refused = world.call("diff", "--revision", "nope")
    assert refused.exit_code == 2
    assert "unknown revision 'nope'" in refused.stderr


def test_diff_never_prints_a_secret(world: World) -> None:
    world.commit("First stack", web="app:1")
    world.call("once")
    changed = service("app:1")
    changed["environment"]["DB_PASSWORD"] = "correct-horse"
    world.compose.rendered["web"] = {"name": "web", "services": {"server": changed}}
    world.repository.write("web/note.txt", "")
    world.repository.commit("New password")
    for words in (("diff",), ("diff", "-o", "json")):
        said = world.call(*words).output
        assert "DB_PASSWORD" in said
        assert "hunter2" not in said
        assert "correct-horse" not in said


def test_diff_of_one_stack_that_is_not_there_names_the_nearest(world: World) -> None:
    world.commit("First stack", web="app:1")
    done = world.call("diff", "webb")
    assert (done.exit_code, done.stderr) == (2, 'error: there is no stack "webb"; did you mean "web"?\n')


def test_diff_says_that_a_pass_would_leave_a_suspended_or_quarantined_stack_alone(world: World) -> None:
    world.host.behaviours["app:2"] = Behaviour(exits_after_s=0.2)
    world.commit("Bad", web="app:2")
    world.call("once")
    world.call("suspend", "web")
    said = world.call("diff").stdout
    assert "Note: web is suspended by " in said
    assert "Note: release 1 is quarantined, so it is only tried again with --force" in said


def test_diff_goes_on_from_the_last_fetch_when_the_repository_is_away(world: World) -> None:
    world.commit("First stack", web="app:1")
    world.call("diff")
    world.repository.folder.rename(world.repository.folder.with_name("away"))
    done = world.call("diff")
    assert done.exit_code == 1
    assert done.stderr.startswith("the repository could not be fetched, so this is about ")
    assert world.call("diff", "--no-fetch").stderr == ""


# build and trace


def test_build_prints_the_resolved_model_without_its_secrets(world: World) -> None:
    world.commit("First stack", web="app:1")
    done = world.call("build", "web")
    assert done.exit_code == 0
    assert "DB_PASSWORD: (secret)\n" in done.stdout
    assert "GREETING: hello\n" in done.stdout
    assert "io.reconciler.stack: web\n" in done.stdout
    assert "hunter2" not in done.output


def test_build_prints_secrets_only_on_demand(world: World) -> None:
    world.commit("First stack", web="app:1")
    model = json.loads(world.call("build", "web", "-o", "json", "--show-secrets").stdout)
    assert model["services"]["server"]["environment"]["DB_PASSWORD"] == "hunter2hunter2"


def test_build_hides_values_of_the_hosts_own_variables_wherever_they_stand(world: World) -> None:
    world.root.layout.env.mkdir()
    (world.root.layout.env / "web.env").write_text("DB_URL=postgres://sesame\n")
    world.commit("First stack", web="app:1")
    world.compose.rendered["web"] = {
        "name": "web",
        "services": {"server": {"image": "app:1", "command": ["serve", "--db=postgres://sesame"]}},
    }
    said = world.call("build", "web").stdout
    assert "sesame" not in said
    assert "--db=(secret)" in said


def test_trace_tells_the_release_and_the_commit_that_made_a_container(world: World) -> None:
    commit = world.commit("First stack", web="app:1")
    world.call("once")
    (identity,) = world.host.boxes
    (found,) = json.loads(world.call("trace", identity, "-o", "json").stdout)
    assert (found["stack"], found["service"], found["ours"]) == ("web", "server", True)
    assert (found["release"], found["revision"], found["current"]) == (1, commit, True)
    assert "release     1, the one that is applied\n" in world.call("trace", identity).stdout


def test_trace_says_that_a_foreign_container_is_never_touched(world: World) -> None:
    world.commit("First stack", web="app:1")
    world.call("once")
    (identity, box), *_ = world.host.boxes.items()
    box.owned = False
    assert "web (a Compose project that is not ours; it is never touched)\n" in world.call("trace", identity).stdout


def test_trace_of_a_container_that_is_not_there_names_the_nearest(world: World) -> None:
    world.commit("First stack", web="app:1")
    world.call("once")
    done = world.call("trace", "web-server")
    assert (done.exit_code, done.stderr) == (
        2,
        'error: there is no container "web-server"; did you mean "web-server-1"?\n',
    )


def test_trace_does_not_take_a_release_for_the_maker_of_a_container_that_it_did_not_make(world: World) -> None:
    world.commit("First stack", web="app:1")
    world.call("once")
    (identity, box), *_ = world.host.boxes.items()
    box.definition = "of another time"
    (found,) = json.loads(world.call("trace", identity, "-o", "json").stdout)
    assert (found["release"], found["current"], found["revision"]) == (None, False, "")
    assert "release     none that is kept makes this container\n" in world.call("trace", identity).stdout
