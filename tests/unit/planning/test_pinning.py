"""Names of images as Docker reads them, and which image counts for a service that tracks one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.record import Outcome, ReleaseRecord
from reconciler.model.updates import ImagePolicy, ImageRecord, Track
from reconciler.planning.image_reference import parse_reference
from reconciler.planning.pinning import bad_images, instead_of_bad, pin_of, pinned, wrong_tracking
from tests.builders import release

DIGEST, SEMVER = ImagePolicy(Track.DIGEST), ImagePolicy(Track.SEMVER, "^2")
KNOWN = ImageRecord("shop", "web", "example.com/shop", "digest", tag="live", digest="sha256:a")


@pytest.mark.parametrize(
    ("text", "name", "registry", "path", "tag"),
    [
        ("nginx", "nginx", "docker.io", "library/nginx", "latest"),
        ("team/app:2", "team/app", "docker.io", "team/app", "2"),
        ("docker.io/nginx", "docker.io/nginx", "docker.io", "library/nginx", "latest"),
        ("ghcr.io/team/app:v1", "ghcr.io/team/app", "ghcr.io", "team/app", "v1"),
        ("localhost/app", "localhost/app", "localhost", "app", "latest"),
        ("127.0.0.1:5000/a/b:1@sha256:ff", "127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b", "1"),
        ("127.0.0.1:5000/app", "127.0.0.1:5000/app", "127.0.0.1:5000", "app", "latest"),
        ("nginx@sha256:ff", "nginx", "docker.io", "library/nginx", ""),
    ],
)
def test_a_name_is_read_as_docker_reads_it(text: str, name: str, registry: str, path: str, tag: str) -> None:
    found = parse_reference(text)
    assert (found.name, found.registry, found.path, found.tag) == (name, registry, path, tag)


def test_an_image_counts_only_for_the_repository_and_tag_that_it_was_found_for() -> None:
    pin = "example.com/shop:live@sha256:a"
    assert pin_of("example.com/shop:live", DIGEST, KNOWN) == pin
    assert pin_of("example.com/shop:next", DIGEST, KNOWN) == ""
    assert pin_of("example.com/other:live", DIGEST, KNOWN) == ""
    assert pin_of("example.com/shop:1.0.0", SEMVER, KNOWN) == pin
    assert pin_of("example.com/shop:live", DIGEST, replace(KNOWN, digest="")) == ""
    assert pin_of("example.com/shop:live", DIGEST, None) == ""
    assert pin_of(pin, DIGEST, KNOWN) == pin  # as it may be written back


def test_only_the_image_of_a_pinned_service_is_changed_and_the_model_is_not() -> None:
    model: dict[str, Any] = {
        "services": {"web": {"image": "a", "command": ["x"]}, "db": {"image": "b"}},
        "networks": {},
    }
    found = pinned(model, {"web": "a@sha256:1"})
    assert found == {
        "services": {"web": {"image": "a@sha256:1", "command": ["x"]}, "db": {"image": "b"}},
        "networks": {},
    }
    assert model["services"]["web"]["image"] == "a"
    assert pinned(model, {}) is model


def test_what_cannot_be_tracked_says_why() -> None:
    model: dict[str, Any] = {
        "services": {"web": {"build": {"context": "."}}, "db": {"image": "x@sha256:1"}, "ok": {"image": "x:1"}}
    }
    told = dict(wrong_tracking(model, ("web", "db", "ok", "webb", "nothing")))
    assert set(told) == {"web", "db", "webb", "nothing"}
    assert "built here" in told["web"]
    assert "digest alone" in told["db"]
    assert 'did you mean "web"' in told["webb"]
    assert "the services are db, ok, web" in told["nothing"]


def test_only_images_that_no_proven_release_runs_are_bad() -> None:
    applied = release({"web": {"image": "w:1@sha256:good"}, "db": {"image": "d:1@sha256:same"}})
    failed = ReleaseRecord("shop", 2, "x", "", Outcome.FAILED, 0.0, quarantined="step 4 failed",
                           images={"w:1@sha256:bad": "1", "d:1@sha256:same": "2", "cache:1": "3"})  # fmt: skip
    assert bad_images((failed,), applied) == {"w:1@sha256:bad"}
    assert bad_images((replace(failed, quarantined=""),), applied) == frozenset()
    wanted = release({"web": {"image": "w:1@sha256:bad"}, "db": {"image": "d:1@sha256:same"}})
    bad = bad_images((failed,), applied)
    assert instead_of_bad(wanted, applied, bad, ("web", "db")) == {"web": "w:1@sha256:good"}
    assert instead_of_bad(wanted, None, bad, ("web",)) == {}
    other = release({"web": {"image": "other:1@sha256:bad"}})
    assert instead_of_bad(other, applied, frozenset({"other:1@sha256:bad"}), ("web",)) == {}
