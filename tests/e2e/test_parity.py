"""Every Compose file works: what ``once`` makes of it equals, field by field, what Compose alone makes of it.

A case is a folder of ``parity/``. Its Compose file may say under ``x-parity``, which nobody else reads: ``inside``, the
paths to compare inside of the containers, by service; ``untracked``, the text of files that are there but not in Git, by
path; ``volumes``, paths that are volumes; ``compose``, the oldest Compose that knows what the case uses. ``host.env`` is
the host's env file, and ``beside/`` lies at the root of the repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.picture import Picture, differences, without
from tests.e2e.scene import Scene
from tests.e2e.world import World

pytestmark = pytest.mark.engine

CASES = Path(__file__).with_name("parity")
SAMPLES = Path(__file__).parents[2] / "desired_state"
DEPENDS_ON = "Config > Labels > com.docker.compose.depends_on"


def cases() -> list[Path]:
    """Small ones, and every Compose file that the product ships."""
    samples = sorted({path.parent for path in SAMPLES.rglob("*compose*.y*ml")})
    return [*sorted(path for path in CASES.iterdir() if path.is_dir()), *samples]


@pytest.fixture
def scene(world: World, request: pytest.FixtureRequest) -> Iterator[Scene]:
    made = Scene(world, request.param)
    try:
        yield made
    finally:
        world.clean()
        made.clean()


@pytest.mark.parametrize("scene", cases(), ids=lambda case: case.name, indirect=True)
def test_what_runs_is_what_compose_alone_makes_and_compose_finds_nothing_to_do(scene: Scene) -> None:
    scene.commit_before()
    scene.reconcile()
    scene.commit()
    scene.reconcile()
    updated, before = scene.picture(), scene.identities()
    led = scene.led()

    passes = scene.passes()
    scene.reconcile()
    assert scene.passes() == passes, "another look at the same found something to do"

    forgetful = scene.forgetful()
    said = scene.up_on_the_release()
    excused = scene.jobs() | (forgetful if scene.compose_hashes_dependencies else set())
    assert touched(before, scene.identities()) <= excused, said
    assert excused & forgetful or not re.search(r"Recreate|Creating", said), said

    scene.take_down()
    if updated.carries_over:
        scene.up_by_compose_alone(before=True)
    scene.up_by_compose_alone()
    labels = tuple(f"containers > {service} 1 > {DEPENDS_ON}" for service in forgetful)
    assert_equal(without(updated, led), scene.picture(of_compose_alone=True), but=labels)


def touched(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    """Services and networks. Compose starts one-shot services again at every ``up``, its own containers like ours."""
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    return {key.split(" ")[0] for key in changed}


def assert_equal(ours: Picture, composes: Picture, but: tuple[str, ...] = ()) -> None:
    found = [line for line in differences(ours, composes) if not line.startswith(but)]
    assert not found, "ours\n    | Compose's:\n" + "\n".join(found)
