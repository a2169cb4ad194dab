"""What stack.yaml says about updates: all of it understood, and what could not work named by file, line and key."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.declared.stack_file import manifest_of, read_stack_file
from reconciler.declared.updates import updates_of, wrong_updates
from reconciler.manifest import discover
from reconciler.model.schedule import Schedule
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.model.updates import HOURLY, Gate, ImagePolicy, Track, Updates, Window
from reconciler.planning.archive import pack, unpack_manifest
from tests.builders import manifest, release


def test_all_that_can_be_said_is_understood_and_kept_with_a_release() -> None:
    own = {
        "images": {"a": {"track": "digest"}, "b": {"semver": "^2", "pattern": "v(.*)"}, "c": {"newest": "b-(.*)"}},
        "schedule": "0 1 * * *",
        "timezone": "Europe/Paris",
        "jitter": "10m",
        "minAge": "2d",
        "approval": "manual",
        "windows": [
            {"allow": "0 22 * * *", "duration": "4h", "for": ["release", "certs"]},
            {"deny": "0 0 24 12 *", "duration": "3d", "timezone": "UTC"},
        ],
    }
    found = updates_of(own)
    assert found == Updates(
        images={
            "a": ImagePolicy(Track.DIGEST),
            "b": ImagePolicy(Track.SEMVER, "^2", "v(.*)"),
            "c": ImagePolicy(Track.NEWEST, pattern="b-(.*)"),
        },
        schedule=Schedule(cron="0 1 * * *", timezone="Europe/Paris", jitter_s=600.0),
        min_age_s=172800.0,
        windows=(
            Window(True, "0 22 * * *", 14400.0, "Europe/Paris", frozenset({Gate.RELEASE, Gate.CERTS})),
            Window(False, "0 0 24 12 *", 259200.0, "UTC"),
        ),
        manual=True,
    )
    declared = replace(manifest(), updates=found)
    kept = json.loads(json.dumps(pack(release({"web": {}}, declared=declared), declared), default=dict))
    assert unpack_manifest(kept).updates == found
    del kept["manifest"]["updates"]  # as releases were kept before there were any
    assert unpack_manifest(kept).updates == Updates()


def test_a_stack_without_updates_has_none() -> None:
    found = manifest_of({}, "shop", "shop", ("compose.yaml",)).updates
    assert (found.images, found.holds, found.schedule) == ({}, False, HOURLY)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('schedule: "0 25 * * *"', "updates.schedule", "bad hour"),
        ('schedule: "nightly, at one"', "updates.schedule", "five fields"),
        ('schedule: "0 1 * * *"\n  timezone: Europe/Pariss', "updates.timezone", 'no time zone "Europe/Pariss"'),
        ('windows: [{allow: "61 * * * *", duration: 1h}]', "updates.windows[0].allow", "bad minute"),
        (
            'windows: [{deny: "0 1 * * *", duration: 1h, timezone: Mars/Base}]',
            "updates.windows[0].timezone",
            "Mars/Base",
        ),
        ('images: {web: {semver: "two or more"}}', "updates.images.web.semver", "no range of versions"),
        ('images: {web: {newest: "build-(["}}', "updates.images.web.newest", "no regular expression"),
        ('images: {web: {semver: "^2", pattern: "("}}', "updates.images.web.pattern", "no regular expression"),
    ],
)
def test_what_could_never_be_met_is_named_by_file_line_and_key(text: str, key: str, words: str) -> None:
    files = {
        "shop/stack.yaml": f"# a comment\nupdates:\n  {text}\n",
        "shop/compose.yaml": "services: {web: {image: x}}\n",
    }
    entries = {path: TreeEntry(path, EntryKind.FILE, path) for path in files}
    entries |= {"": TreeEntry("", EntryKind.FOLDER, "0"), "shop": TreeEntry("shop", EntryKind.FOLDER, "1")}
    (problem,) = discover(entries, "", lambda name: files[name].encode(), ("*",)).broken["shop"]
    assert (problem.file, problem.key) == ("shop/stack.yaml", key)
    assert problem.line in (3, 4)
    assert words in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "{images: {web: {}}}",
        "{images: {web: {track: latest}}}",
        "{images: {web: {track: digest, semver: ^2}}}",
        "{images: {web: {track: digest, pattern: x}}}",
        "{every: 1h, schedule: 0 1 * * *}",
        "{windows: [{allow: 0 1 * * *}]}",
        "{windows: [{duration: 1h}]}",
        "{windows: [{allow: 0 1 * * *, deny: 0 2 * * *, duration: 1h}]}",
        "{windows: [{allow: 0 1 * * *, duration: 1h, for: [backups]}]}",
        "{windows: [{allow: 0 1 * * *, duration: 1s}]}",
        "{approval: sometimes}",
    ],
)
def test_what_makes_no_sense_is_refused_by_the_schema(text: str) -> None:
    assert read_stack_file(f"updates: {text}\n".encode(), "stack.yaml").problems


@pytest.mark.parametrize(
    "values", [None, [], "x", {"images": 3, "windows": {}}, {"images": {"web": 4}, "windows": [7]}]
)
def test_whatever_is_there_instead_is_the_schemas_to_tell(values: object) -> None:
    assert list(wrong_updates(values)) == []
