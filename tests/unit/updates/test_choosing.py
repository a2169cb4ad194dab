"""Which image a policy takes: the newest, old enough, never a lower one."""

from __future__ import annotations

import pytest

from reconciler.model.updates import ImagePolicy, ImageRecord, Seen, Track
from reconciler.updates.choosing import Found, after_look, ripens_at, taken_by

DIGEST = ImagePolicy(Track.DIGEST)
TWO = ImagePolicy(Track.SEMVER, within=">=2.0 <3")
DAY = 86400.0


def blank(policy: ImagePolicy = DIGEST) -> ImageRecord:
    return ImageRecord("shop", "web", "example.com/shop", policy.track.value)


def looked(
    record: ImageRecord, policy: ImagePolicy, tag: str, digest: str, now: float, *tags: str, age: float = 0.0
) -> ImageRecord:
    return after_look(record, policy, Found(tag, digest, tags or (tag,)), age, now)


@pytest.mark.parametrize(
    ("policy", "tags", "best"),
    [
        (TWO, ("1.9.0", "2.0.0", "2.10.0", "2.9.0", "3.0.0", "latest"), "2.10.0"),
        (TWO, ("2", "2.1", "2.1.3", "2.2.0-rc.1"), "2.1.3"),
        (TWO, ("2.1", "2.1.0"), "2.1.0"),  # the same version: the tag that says more
        (TWO, ("v2.3.0", "2.2.0"), "v2.3.0"),
        (TWO, ("2.4.0-alpine", "2.3.0"), "2.3.0"),  # to semantic versioning, a pre-release
        (ImagePolicy(Track.SEMVER, ">=2.0.0-rc.1 <3"), ("2.0.0-rc.1", "1.0.0"), "2.0.0-rc.1"),
        (ImagePolicy(Track.SEMVER, ">=2.0 <3", r"(?P<version>.*)-alpine"), ("2.4.0-alpine", "2.5.0"), "2.4.0-alpine"),
        (ImagePolicy(Track.SEMVER, ">=2 <3", r"release-(\d+\.\d+)"), ("release-2.9", "release-2.10", "2.11"), "release-2.10"),
        (ImagePolicy(Track.SEMVER, ">=15 <16"), ("15.3", "15.10", "16.1", "15.2-bookworm"), "15.10"),
        (ImagePolicy(Track.NEWEST, pattern=r"build-\d+"), ("build-9", "build-10", "latest"), "build-10"),
        (ImagePolicy(Track.NEWEST, pattern=r"main-(\d{8})-[0-9a-f]+"), ("main-20260102-aa", "main-20260101-ff"), "main-20260102-aa"),
        (DIGEST, (), "latest"),
    ],
)  # fmt: skip
def test_the_best_tag_is_first(policy: ImagePolicy, tags: tuple[str, ...], best: str) -> None:
    assert taken_by(policy, tags, "latest")[0] == best


def test_tags_that_are_no_version_are_passed_over() -> None:
    assert taken_by(TWO, ("latest", "main", "1.0.0", "2.x", "sha-2.0.0", ""), "latest") == ()


def test_the_first_image_is_taken_at_once_whatever_its_age() -> None:
    record = looked(blank(), DIGEST, "live", "sha256:a", now=1000.0, age=DAY)
    assert record.reference == "example.com/shop:live@sha256:a"


def test_an_image_under_the_same_tag_is_taken_when_this_host_has_known_it_for_long_enough() -> None:
    record = looked(blank(), DIGEST, "live", "sha256:a", now=0.0, age=DAY)
    record = looked(record, DIGEST, "live", "sha256:b", now=1000.0, age=DAY)
    assert record.digest == "sha256:a"
    assert ripens_at(record, DIGEST, DAY) == 1000.0 + DAY
    record = looked(record, DIGEST, "live", "sha256:b", now=1000.0 + DAY, age=DAY)
    assert (record.digest, record.before) == ("sha256:b", "example.com/shop:live@sha256:a")
    assert ripens_at(record, DIGEST, DAY) == float("inf")


def test_a_tag_that_moves_every_day_is_still_followed_two_days_behind() -> None:
    """Else nothing would ever become old enough."""
    record = looked(blank(), DIGEST, "live", "sha256:0", now=0.0, age=2 * DAY)
    for day in range(1, 6):
        record = looked(record, DIGEST, "live", f"sha256:{day}", now=day * DAY, age=2 * DAY)
    assert record.digest == "sha256:3"


def test_a_tag_that_is_moved_back_is_followed_back() -> None:
    record = blank()
    for now, digest in enumerate(("sha256:a", "sha256:b", "sha256:a")):
        record = looked(record, DIGEST, "live", digest, now=float(now))
    assert record.digest == "sha256:a"


def test_a_version_that_is_gone_from_the_registry_is_no_reason_to_go_back_to_a_lower_one() -> None:
    record = looked(blank(TWO), TWO, "2.3.0", "sha256:c", 0.0, "2.3.0", "2.2.0")
    record = looked(record, TWO, "2.2.0", "sha256:b", 10.0, "2.2.0")
    assert record.tag == "2.3.0"


def test_a_version_that_is_gone_before_it_was_old_enough_is_not_taken() -> None:
    record = looked(blank(TWO), TWO, "2.0.0", "sha256:a", 0.0, "2.0.0", age=DAY)
    record = looked(record, TWO, "2.1.0", "sha256:bad", 10.0, "2.1.0", "2.0.0", age=DAY)
    record = looked(record, TWO, "2.0.0", "sha256:a", 2 * DAY, "2.0.0", age=DAY)
    assert record.tag == "2.0.0"
    assert Seen("2.1.0", "sha256:bad", 10.0) not in record.seen


def test_another_range_lets_a_lower_version_in() -> None:
    record = looked(blank(TWO), TWO, "2.3.0", "sha256:c", 0.0)
    one = ImagePolicy(Track.SEMVER, within="^1.0")
    assert looked(record, one, "1.9.0", "sha256:d", 10.0).tag == "1.9.0"


def test_a_look_that_finds_the_same_changes_nothing_of_what_is_taken() -> None:
    record = looked(blank(), DIGEST, "live", "sha256:a", now=0.0)
    assert looked(record, DIGEST, "live", "sha256:a", now=50.0) == record
