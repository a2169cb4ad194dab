"""Laws of what is told of a release afterwards: what changed, and no value that may be a secret."""

from __future__ import annotations

from dataclasses import replace

from reconciler.planning.past import ServiceChanges, between
from tests.builders import release

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def test_added_changed_and_removed_services_are_told_and_the_others_are_not() -> None:
    old = release({"same": {}, "web": {"environment": {"PASSWORD": "before"}}, "gone": {}})
    new = release({"same": {}, "web": {"environment": {"PASSWORD": "after"}}, "new": {}})
    assert between(old, new) == (
        ServiceChanges("gone", "removed"),
        ServiceChanges("new", "added"),
        ServiceChanges("web", "changed", ("environment.PASSWORD",)),
    )


def test_an_image_is_told_with_what_it_was_and_what_it_is() -> None:
    old = replace(release({"web": {"image": "web:1"}}), images={"web:1": OLD})
    new = replace(release({"web": {"image": "web:2"}}), images={"web:2": NEW})
    (found,) = between(old, new)
    assert found.images == ("web:1 (aaaaaaaaaaaa)", "web:2 (bbbbbbbbbbbb)")


def test_a_tag_that_moved_is_a_change() -> None:
    old = replace(release({"web": {"image": "web:1"}}), images={"web:1": OLD})
    assert between(old, old) == ()
    (found,) = between(old, replace(old, images={"web:1": NEW}))
    assert found.images == ("web:1 (aaaaaaaaaaaa)", "web:1 (bbbbbbbbbbbb)")


def test_everything_of_a_first_release_is_new() -> None:
    assert between(None, release({"web": {}})) == (ServiceChanges("web", "added"),)
