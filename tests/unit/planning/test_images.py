"""Laws of images: here before anything stops, and the very ones that the release was proven with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.desired import LABEL_BUILD
from reconciler.model.observed import Image
from reconciler.model.plan import CauseKind, PullImage, TagImage
from reconciler.model.source import EntryKind
from reconciler.planning.images import RESERVE, is_named_by_us_only
from reconciler.planning.planner import needs_images
from tests.builders import (
    CHECKOUT,
    bare,
    decide,
    image_id,
    made,
    release,
    seen,
    spec_of,
    steps,
    story,
    tracked,
)

GIB = 2**30
OLD, NEW = "sha256:0ldimage00000", "sha256:newimage0000"


def test_an_image_that_is_here_is_not_pulled() -> None:
    wanted = release({"web": {}}, pinned=False)
    assert not needs_images(decide(wanted, bare(wanted)))


def test_an_image_that_is_missing_is_pulled_before_the_old_container_stops() -> None:
    before, wanted = release({"web": {"image": "web:1"}}), release({"web": {"image": "web:2"}}, pinned=False)
    found = decide(wanted, seen(made(before, "web"), of=[before, wanted], lacking=["web:2"]), previous=before)
    assert needs_images(found)
    assert steps(found)[0] == "pull image web:2"
    assert found.steps[0].cause.text == "the engine does not hold it"


def test_an_image_is_not_pulled_for_a_service_that_does_not_change() -> None:
    wanted = release({"web": {}}, pinned=False)
    assert decide(wanted, seen(made(wanted, "web"), of=wanted, lacking=["web:1"])).empty


def test_an_image_that_is_named_by_a_digest_is_not_tagged_again_but_pulled_when_it_is_needed() -> None:
    """No tag can change what a digest names; and what runs needs no name."""
    name = "web:1@sha256:abc"
    wanted = release({"web": {"image": name}})
    nameless = {name: None, image_id(name): Image(image_id(name))}
    assert decide(wanted, seen(made(wanted, "web"), of=wanted, images=nameless), previous=wanted).empty
    found = decide(wanted, seen(of=wanted, images=nameless), previous=wanted)
    assert steps(found)[0] == f"pull image {name}"


def test_a_retagged_image_is_tagged_back() -> None:
    wanted = release({"web": {}})
    foreign = seen(made(wanted, "web"), of=wanted, images={"web:1": Image(NEW), NEW: Image(NEW)})
    found = decide(wanted, foreign, previous=wanted)
    assert [step.action for step in found.steps] == [TagImage("web:1", image_id("web:1"))]
    assert found.steps[0].cause.kind is CauseKind.DRIFT
    assert found.steps[0].cause.text == "web:1 names newimage0000 now, the release runs web:1"


def test_an_untagged_image_is_tagged_again() -> None:
    wanted = release({"web": {}})
    found = decide(wanted, seen(made(wanted, "web"), of=wanted, images={"web:1": None}), previous=wanted)
    assert [step.action for step in found.steps] == [TagImage("web:1", image_id("web:1"))]
    assert found.steps[0].cause.text == "web:1 was untagged"


def test_an_image_that_the_engine_lost_is_pulled_when_it_is_needed() -> None:
    wanted = release({"web": {}})
    assert steps(decide(wanted, seen(of=wanted, lacking=["web:1"]), previous=wanted))[0] == "pull image web:1"


def test_an_image_that_the_engine_lost_replaces_nothing_that_runs() -> None:
    wanted = release({"web": {}})
    other = seen(made(wanted, "web"), of=wanted, images={"web:1": Image(NEW), NEW: Image(NEW), image_id("web:1"): None})
    assert decide(wanted, other, previous=wanted).empty


def test_a_release_that_pins_another_image_replaces_the_container() -> None:
    before = replace(release({"web": {}}), images={"web:1": OLD})
    wanted = replace(before, images={"web:1": NEW})
    images = {"web:1": Image(NEW), OLD: Image(OLD), NEW: Image(NEW)}
    found = decide(wanted, seen(made(before, "web"), of=wanted, images=images), previous=before)
    assert story(found).splitlines()[0] == (
        "web  replace, start-first (nothing of it is held by one container only) "
        "because web:1 is newimage0000, shop-web-1 runs 0ldimage0000"
    )


def test_pull_policy_always_looks_for_a_newer_image_once_a_release() -> None:
    wanted = release({"web": {"pull_policy": "always"}}, pinned=False)
    found = decide(wanted, seen(made(wanted, "web"), of=wanted))
    assert steps(found) == ["pull image web:1"]
    pinned = replace(wanted, images={"web:1": image_id("web:1")})
    assert decide(pinned, seen(made(pinned, "web"), of=pinned)).empty


def built(**changes: Any) -> Any:
    services = {"web": {"build": {"context": f"{CHECKOUT}/shop/app", "dockerfile": "Dockerfile"}, **changes}}
    return release(services, pinned=False, entries=[tracked("shop/app", EntryKind.FOLDER)])


def test_an_image_is_built_when_there_is_none() -> None:
    wanted = built()
    found = decide(wanted, bare(wanted, lacking=["shop-web"]))
    assert steps(found)[0] == "build image shop-web for web"


def test_an_image_is_built_when_what_it_was_built_from_differs() -> None:
    wanted = built()
    found = decide(wanted, bare(wanted, images={"shop-web": Image(OLD, {LABEL_BUILD: "other"})}))
    assert steps(found)[0] == "build image shop-web for web"


def test_an_image_that_was_built_from_the_same_is_used() -> None:
    wanted = built()
    labels = {LABEL_BUILD: str(spec_of(wanted, "web").build_digest)}
    found = decide(wanted, bare(wanted, images={"shop-web": Image(OLD, labels)}))
    assert not needs_images(found)


def test_what_is_built_is_not_pulled() -> None:
    wanted = built(image="registry/web:1")
    assert steps(decide(wanted, bare(wanted, lacking=["registry/web:1"])))[0] == "build image registry/web:1 for web"


def test_a_pull_wants_as_much_room_as_the_image_that_runs_takes_and_a_reserve() -> None:
    before, wanted = release({"web": {"image": "web:1"}}), release({"web": {"image": "web:2"}}, pinned=False)
    held = {image_id("web:1"): Image(image_id("web:1"), size=3 * GIB)}
    found = decide(
        wanted, seen(made(before, "web"), of=[before, wanted], lacking=["web:2"], images=held), previous=before
    )
    assert found.steps[0].action == PullImage("web:2", 3 * GIB + RESERVE)


def test_a_first_pull_wants_the_reserve() -> None:
    wanted = release({"web": {}}, pinned=False)
    assert decide(wanted, bare(wanted, lacking=["web:1"])).steps[0].action == PullImage("web:1", RESERVE)


@pytest.mark.parametrize("tag", ["postgres:latest", "docker.io/library/postgres:latest", "postgres"])
def test_a_name_is_known_however_it_is_written(tag: str) -> None:
    assert is_named_by_us_only(Image(OLD, tags=("postgres:latest",)), {tag})
    assert not is_named_by_us_only(Image(OLD, tags=("postgres:latest", "postgres:15")), {tag})
