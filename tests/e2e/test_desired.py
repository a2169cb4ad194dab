"""Desired state: what of Git and of the host ends up in the containers, and what of a commit leaves them alone."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.models import Service, checked, script, service, stack, version
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine


def environment(world: World, name: str, of: str = "web") -> dict[str, str]:
    entries = world.container(name, of)["Config"]["Env"] or ()
    return dict(entry.split("=", 1) for entry in entries)


def mounting(*mounts: str, **more: Any) -> Service:
    return service(volumes=list(mounts), **more)


def test_every_folder_with_a_compose_file_is_a_stack_and_stack_yaml_may_name_it(world: World) -> None:
    plain, named = world.name("plain"), world.name("named")
    world.commit(
        {
            f"stacks/{plain}/compose.yaml": json.dumps(stack(web=service())),
            f"stacks/folder-{world.suffix}/docker-compose.yml": json.dumps(stack(web=service())),
            f"stacks/folder-{world.suffix}/stack.yaml": json.dumps({"name": named, "rollout": {"soak": "300ms"}}),
            "stacks/notes/README.md": "no stack",
        }
    )
    done = world.once()
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.running("plain").keys() == {f"{plain}-web-1"}
    assert world.running("named").keys() == {f"{named}-web-1"}


def test_what_the_host_sets_wins_over_tracked_env_files_and_later_files_over_earlier_ones(world: World) -> None:
    world.write_environment("shop", "BY_HOST=host\n")
    web = service(environment={"FIRST": "${FIRST}", "LATER": "${LATER}", "BY_HOST": "${BY_HOST}"})
    files = world.compose("shop", stack(web=web), {"env": {"files": ["one.env", "two.env"]}})
    folder = f"stacks/{world.name('shop')}"
    world.commit(
        {
            **files,
            f"{folder}/one.env": "FIRST=one\nLATER=one\nBY_HOST=one\n",
            f"{folder}/two.env": "LATER=two\nBY_HOST=two\n",
        }
    )
    assert world.once().returncode == 0
    found = environment(world, "shop")
    assert (found["FIRST"], found["LATER"], found["BY_HOST"]) == ("one", "two", "host")


def test_every_unset_variable_is_named_with_its_line_and_nothing_is_started(world: World) -> None:
    text = (
        "services:\n  web:\n    image: rig/busybox:${TAG}\n    environment:\n      GREETING: ${GREETING}\n"
        "      MILD: ${MILD:-enough}\n      STRICT: ${STRICT:?it must be chosen}\n"
    )
    world.commit(world.compose("shop", text))
    assert world.once().returncode == 1
    message = world.message("shop")
    assert world.status("shop")["reason"] == "InvalidConfiguration"
    assert "compose.yaml:3: variable TAG is not set" in message
    assert "compose.yaml:5: variable GREETING is not set" in message
    assert "compose.yaml:7: variable STRICT is required: it must be chosen" in message
    assert "MILD" not in message
    assert world.containers("shop") == []


def test_a_commit_that_touches_nothing_a_service_uses_replaces_nothing(world: World) -> None:
    world.commit(world.compose("shop", stack(web=service(), db=service())))
    assert world.once().returncode == 0
    before = world.running("shop")
    commit = world.commit({f"stacks/{world.name('shop')}/README.md": "how the shop works", "elsewhere.txt": "x"})
    assert world.once().returncode == 0
    assert world.running("shop") == before
    assert world.is_ready_at("shop", commit)
    assert [release["number"] for release in world.releases("shop")] == [1]


def test_a_changed_mounted_file_replaces_exactly_the_services_that_mount_it(world: World) -> None:
    folder = f"stacks/{world.name('shop')}"
    model = stack(
        web=mounting("./conf/app.conf:/conf/app.conf"),
        folder=mounting("./conf:/conf:ro"),
        other=mounting("./other.conf:/conf/app.conf"),
    )
    world.commit(
        {**world.compose("shop", model), f"{folder}/conf/app.conf": "one", f"{folder}/other.conf": "untouched"}
    )
    assert world.once().returncode == 0
    before = {name: world.container("shop", name)["Id"] for name in ("web", "folder", "other")}
    world.commit({f"{folder}/conf/app.conf": "two"})
    assert world.once().returncode == 0
    after = {name: world.container("shop", name)["Id"] for name in before}
    assert [name for name in before if before[name] != after[name]] == ["web", "folder"]
    assert [world.execute(after[name], "cat", "/conf/app.conf") for name in after] == ["two", "two", "untouched"]


def test_the_old_container_keeps_the_old_content_until_it_is_gone(world: World) -> None:
    """The new one becomes healthy when the test opens a gate; until then both can be looked into."""
    folder = f"stacks/{world.name('shop')}"
    web = checked(["test", "-e", "/gate/open-for-all"], volumes=["./conf:/conf:ro", "./gate:/gate:ro"])
    web["healthcheck"]["start_period"] = "1m"  # however long it takes here to open the gate
    files = world.compose("shop", stack(web=web), {"rollout": {"soak": "0s", "timeout": "60s"}})
    gate = world.root / "data" / world.name("shop") / "gate"
    gate.mkdir(parents=True)
    (gate / "open-for-all").touch()
    first = world.commit({**files, f"{folder}/conf/app.conf": "one"})
    with world.daemon():
        world.await_ready("shop", first)
        old = world.container("shop", "web")["Id"]
        (gate / "open-for-all").unlink()
        second = world.commit({f"{folder}/conf/app.conf": "two"})
        new = eventually(lambda: [found for found in world.running("shop").values() if not found.startswith(old)])[0]
        # A slow check of the new one tells nothing; that of the old one would say no by now, but nobody asks any more.
        assert world.execute(old, "cat", "/conf/app.conf") == "one"
        assert eventually(lambda: world.execute(new.split()[0], "cat", "/conf/app.conf")) == "two"
        (gate / "open-for-all").touch()
        world.await_ready("shop", second)
    assert world.container("shop", "web")["Id"] == new.split()[0]


def test_what_git_does_not_track_lies_in_data_and_outlives_its_service(world: World) -> None:
    writes = mounting("./uploads:/uploads")
    world.commit(world.compose("shop", stack(web=writes, other=service())))
    assert world.once().returncode == 0
    world.execute(world.container("shop", "web")["Id"], "sh", "-c", "echo precious >/uploads/file")
    file = world.root / "data" / world.name("shop") / "uploads" / "file"
    assert file.read_text() == "precious\n"
    world.commit(world.compose("shop", stack(other=service())))
    assert world.once().returncode == 0
    assert world.containers("shop", "web") == []
    assert file.read_text() == "precious\n"
    world.commit(world.compose("shop", stack(web=writes, other=service())))
    assert world.once().returncode == 0
    assert world.execute(world.container("shop", "web")["Id"], "cat", "/uploads/file") == "precious"


def test_a_declared_data_path_is_seeded_once_and_never_overwritten(world: World) -> None:
    folder = f"stacks/{world.name('shop')}"

    def files(number: int) -> dict[str, str]:
        web = mounting("./settings:/settings", environment=version(number))
        return world.compose("shop", stack(web=web), {"data": ["settings"]})

    world.commit({**files(1), f"{folder}/settings/app.ini": "from git"})
    assert world.once().returncode == 0
    first = world.container("shop", "web")["Id"]
    assert world.execute(first, "cat", "/settings/app.ini") == "from git"
    world.execute(first, "sh", "-c", "echo by the app >/settings/app.ini")
    world.commit({f"{folder}/settings/app.ini": "git again", f"{folder}/settings/new.ini": "new"})
    assert world.once().returncode == 0
    assert world.container("shop", "web")["Id"] == first
    world.commit(files(2))
    assert world.once().returncode == 0
    second = world.container("shop", "web")["Id"]
    assert second != first
    assert world.execute(second, "sh", "-c", "cat /settings/*") == "by the app"


def test_a_rollback_has_its_files_though_git_has_forgotten_the_commit(world: World) -> None:
    folder = f"stacks/{world.name('shop')}"
    files = world.compose("shop", stack(web=mounting("./conf:/conf:ro")))
    world.commit({**files, f"{folder}/conf/app.conf": "one"})
    assert world.once().returncode == 0
    (world.repository / folder / "conf/app.conf").write_text("two")
    world.git("commit", "--quiet", "--all", "--amend", "--message", "rewritten")
    assert world.once().returncode == 0
    assert world.execute(world.container("shop", "web")["Id"], "cat", "/conf/app.conf") == "two"
    world.cli("rollback", world.name("shop"))
    world.once()
    assert world.execute(world.container("shop", "web")["Id"], "cat", "/conf/app.conf") == "one"
    assert world.status("shop")["release"] == 1


def test_an_untouched_stack_is_not_rendered_again(world: World, tmp_path: Path) -> None:
    told = tmp_path / "compose-calls"
    compose = tmp_path / "bin" / "docker-compose"
    compose.parent.mkdir()
    # The newest Compose of a host is the one that is used.
    compose.write_text(
        f'#!/bin/sh\necho "$@" >>{told}\n[ "$1" = version ] && echo 2.999.0 && exit\nexec docker compose "$@"\n'
    )
    compose.chmod(0o755)
    still = world.compose("still", stack(web=service()))
    first = world.commit({**world.compose("moving", stack(web=service())), **still})
    with world.daemon(PATH=f"{compose.parent}:{os.environ['PATH']}"):
        world.await_ready("still", first)
        world.await_ready("moving", first)
        assert f"--project-name={world.name('still')}" in told.read_text()
        told.write_text("")
        second = world.commit(world.compose("moving", stack(web=service(environment=version(2)))))
        world.await_ready("moving", second)
        world.await_ready("still", second)
    assert f"--project-name={world.name('moving')}" in told.read_text()
    assert world.name("still") not in told.read_text()


def test_configs_and_secrets_get_into_the_container_as_compose_would_put_them(world: World) -> None:
    world.write_environment("shop", "DB_PASSWORD='pa$$word of the host'\n")
    folder = f"stacks/{world.name('shop')}"
    web = service(
        configs=[
            {"source": "inline", "target": "/etc/inline.conf", "mode": 0o440, "uid": "65534", "gid": "65534"},
            "tracked",
        ],
        secrets=["db_password", {"source": "tracked_key", "target": "/etc/key"}],
    )
    model = {
        **stack(web=web),
        "configs": {"inline": {"content": "greeting=${GREETING}\n"}, "tracked": {"file": "./tracked.conf"}},
        "secrets": {"db_password": {"environment": "DB_PASSWORD"}, "tracked_key": {"file": "./key"}},
    }
    files = world.compose("shop", model, {"env": {"files": ["stack.env"]}})
    world.commit(
        {
            **files,
            f"{folder}/tracked.conf": "tracked",
            f"{folder}/key": "key",
            f"{folder}/stack.env": "GREETING=hello\n",
        }
    )
    done = world.once()
    assert done.returncode == 0, done.stdout + done.stderr
    web_id = world.container("shop", "web")["Id"]
    assert world.execute(web_id, "cat", "/etc/inline.conf") == "greeting=hello"
    assert world.execute(web_id, "stat", "-c", "%a %u %g", "/etc/inline.conf") == "440 65534 65534"
    assert world.execute(web_id, "cat", "/tracked", "/etc/key") == "trackedkey"
    assert world.execute(web_id, "cat", "/run/secrets/db_password") == "pa$$word of the host"


def test_a_changed_secret_of_the_host_replaces_the_services_that_use_it_without_a_commit(world: World) -> None:
    world.write_environment("shop", "DB_PASSWORD=first-password\n")
    model = {
        **stack(web=service(secrets=["db_password"]), other=service()),
        "secrets": {"db_password": {"environment": "DB_PASSWORD"}},
    }
    commit = world.commit(world.compose("shop", model))
    with world.daemon():
        world.await_ready("shop", commit)
        other = world.container("shop", "other")["Id"]
        world.write_environment("shop", "DB_PASSWORD=second-password\n")

        def secrets() -> set[str]:
            """Of the containers that run; one may end while it is looked into."""
            found = set()
            for entry in world.running("shop").values():
                with suppress(subprocess.CalledProcessError):
                    found.add(world.execute(entry.split()[0], "sh", "-c", "cat /run/secrets/db_password || true"))
            return found - {""}

        eventually(secrets, lambda seen: seen == {"second-password"})
        world.await_ready("shop", commit)
    assert world.container("shop", "other")["Id"] == other


def test_wrong_settings_are_told_all_at_once_with_the_nearest_valid_key(world: World) -> None:
    world.commit(world.compose("shop", stack(web=script("exit 0"))))
    (world.root / "host.yaml").write_text(f"sorce: {{url: {world.repository}}}\nconcurency: 2\n")
    done = world.once()
    assert done.returncode == 2
    assert "host.yaml:1: sorce" in done.stderr
    assert '"source"' in done.stderr
    assert "host.yaml:2: concurency" in done.stderr
    assert '"concurrency"' in done.stderr
