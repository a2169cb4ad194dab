"""Newer releases, found by the host itself: a moving tag in a registry, and when what was found may begin."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.models import Model, checked, stack
from tests.e2e.timeline import Timeline
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine

REGISTRY = Path(__file__).parent.parent / "rig" / "registry"


class Shop:
    """A repository in the rig's registry whose one tag moves, and the stack that follows it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.own = f"rig/e2e-{world.suffix}:live"
        self.name = ""

    def push(self, version: str) -> str:
        """Move the tag to an image whose healthcheck says yes unless the version is bad; its digest."""
        made = self.world.docker("create", "rig/busybox:1")
        self.world.docker("commit", "--change", f"ENV VERSION={version}", made, self.own)
        self.world.docker("rm", made)
        done = subprocess.run([str(REGISTRY), "push", self.own], capture_output=True, text=True, check=True)
        self.name = done.stdout.split()[-1]
        repository = self.name.rpartition(":")[0]
        digests: list[str] = self.world.engine.api.inspect_image(self.name)["RepoDigests"]
        pushed = next(found for found in digests if found.startswith(f"{repository}@"))
        self.world.docker("image", "rm", "--force", self.own, self.name, pushed)
        return pushed.partition("@")[2]

    def clean(self) -> None:
        """Every version of it that the engine holds."""
        self.world.clean_stacks()
        for image in self.world.engine.api.images(self.name.rpartition(":")[0]) if self.name else ():
            self.world.engine.api.remove_image(image["Id"], force=True)

    def model(self, **environment: str) -> Model:
        test = ["sh", "-c", '[ "$$VERSION" != bad ]']
        return stack(web=checked(test, image=self.name, environment=environment, init=True))

    def commit(self, updates: dict[str, Any], **environment: str) -> str:
        manifest = {"updates": {"every": "1s", "images": {"web": {"track": "digest"}}, **updates}}
        return self.world.commit(self.world.compose("shop", self.model(**environment), manifest))

    @property
    def image(self) -> str:
        """What the one container that serves was made from."""
        return str(self.world.container("shop", "web")["Config"]["Image"])

    def runs(self, digest: str) -> None:
        image = f"{self.name}@{digest}"
        eventually(
            lambda: [found["Config"]["Image"] for found in self.world.containers("shop", "web")],
            lambda seen: seen == [image],
        )


@pytest.fixture
def shop(world: World) -> Iterator[Shop]:
    made = Shop(world)
    yield made
    made.clean()


def test_a_moving_tag_is_followed_and_a_bad_image_is_undone_and_not_taken_again_until_a_newer_one(shop: Shop) -> None:
    world = shop.world
    first = shop.push("1")
    commit = shop.commit({})
    with world.daemon():
        world.await_ready("shop", commit)
        assert shop.image == f"{shop.name}@{first}"
        with Timeline(world, "shop") as timeline:
            second = shop.push("2")
            shop.runs(second)
            bad = shop.push("bad")
            world.await_failure("shop", "HealthCheckFailed")
            shop.runs(second)
            eventually(lambda: world.message("shop"), lambda seen: "serves as before" in seen)
            assert bad in world.told("shop", "ImageFound")[-1].message
            # Another reason for a release does not take the bad image along.
            commit = shop.commit({}, COLOUR="blue")
            world.await_ready("shop", commit)
            shop.runs(second)
            third = shop.push("3")
            shop.runs(third)
            assert 0 not in timeline.serving("web")
        world.await_ready("shop", commit)
        # Written back, the image makes no release: it is what runs.
        before = world.running("shop")
        world.git("config", "receive.denyCurrentBranch", "updateInstead")
        shop.commit({"writeBack": {}}, COLOUR="blue")
        file = f"stacks/{world.name('shop')}/compose.yaml"
        eventually(lambda: world.git("show", f"HEAD:{file}"), lambda seen: f'"image": "{shop.name}@{third}"' in seen)
        world.await_ready("shop", world.git("rev-parse", "HEAD"))
        assert world.running("shop") == before
    tried = [release["outcome"] for release in world.releases("shop")]
    assert tried.count("failed") == 1


def test_a_tagged_release_waits_for_its_approval_and_window_while_drift_is_mended(world: World) -> None:
    never = {"allow": "0 0 1 1 *", "timezone": "Europe/Paris", "duration": "1m", "for": ["release", "config"]}
    manifest = {"updates": {"approval": "manual", "windows": [never]}}

    def release(tag: str) -> str:
        commit = world.commit(world.compose("shop", stack(web=checked(environment={"TAG": tag})), manifest))
        world.git("tag", "--annotate", "--message", tag, tag)
        return commit

    world.write_settings(tag=">=1.0 <2", interval="2s")
    first = release("v1.0.0")
    with world.daemon():
        world.await_ready("shop", first)
        second = release("v1.1.0")
        release("v2.0.0")
        held = eventually(lambda: world.status("shop"), lambda seen: seen["reason"] == "WaitsForApproval")
        assert (held["ready"], held["sync"], held["appliedRevision"]) == ("True", "OutOfSync", first)
        assert "-01-01 00:00 CET" in held["message"]
        assert held["message"] in world.cli("diff", world.name("shop")).stdout
        container = world.container("shop", "web")
        world.docker("stop", container["Id"])
        eventually(lambda: world.container("shop", "web")["State"]["Running"])
        assert world.cli("approve", world.name("shop"), "2").returncode == 0
        eventually(lambda: world.status("shop"), lambda seen: seen["reason"] == "WaitsForWindow")
        assert world.container("shop", "web")["Id"] == container["Id"]
        assert world.cli("reconcile", world.name("shop"), "--now", "--wait").returncode == 0
        world.await_ready("shop", second)
