"""What one repository says of several hosts: which stacks run where, what is laid over them, and who wins."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from reconciler.manifest import Discovery, discover
from reconciler.model.manifest import DriftMode
from reconciler.planning.paths import Paths, Place
from tests.unit.test_manifest import COMPOSE, Repository, names, said_of

WEB = {
    "s/web/compose.yaml": COMPOSE,
    "s/web/stack.yaml": "env: {files: [stack.env]}\nrollout: {soak: 1s, drain: 2s}\n",
    "s/web/stack.env": "A=1\n",
}


def on(host: str, files: Mapping[str, str | bytes], patterns: tuple[str, ...] = ("*",)) -> Discovery:
    repository = Repository(files)
    return discover(repository.entries, "s", repository.read, patterns, host)


def test_an_overlay_is_laid_over_its_stack_on_its_host_and_on_no_other() -> None:
    files = {**WEB, "s/hosts/edge-1/web/compose.yaml": COMPOSE, "s/hosts/edge-1/web/a.env": "A=2\n"}
    (here,) = on("edge-1", files).manifests
    assert here.compose_files == ("compose.yaml", "../hosts/edge-1/web/compose.yaml")
    assert here.env_files == ("stack.env", "../hosts/edge-1/web/a.env")
    assert here.rendered_from[-1] == "s/hosts/edge-1/web/a.env"
    (there,) = on("edge-2", files).manifests
    assert (there.compose_files, there.env_files, there.overlays) == (("compose.yaml",), ("stack.env",), ())


def test_what_names_the_host_more_closely_wins() -> None:
    files = {
        **WEB,
        **{f"s/hosts/{name}/web/compose.yaml": COMPOSE for name in ("edge-1", "*", "edge-*", "edge-?", "core")},
    }
    (found,) = on("Edge-1", files).manifests
    assert [folder.split("/")[2] for folder in found.overlays] == ["*", "edge-*", "edge-?", "edge-1"]


def test_settings_are_merged_key_by_key_and_lists_are_replaced() -> None:
    base = "dependsOn: [db]\nrollout: {soak: 1s, drain: 2s}\n"
    files = {
        "s/db/compose.yaml": COMPOSE,
        "s/web/compose.yaml": COMPOSE,
        "s/web/stack.yaml": base,
        "s/hosts/edge-1/web/stack.yaml": "dependsOn: []\ndrift: warn\nrollout: {soak: 3s}\n",
    }
    found = {manifest.name: manifest for manifest in on("edge-1", files).manifests}["web"]
    assert (found.depends_on, found.drift) == ((), DriftMode.WARN)
    assert (found.rollout.soak_s, found.rollout.drain_s) == (3.0, 2.0)


def test_an_overlay_gives_settings_to_a_stack_that_has_none_of_its_own() -> None:
    (found,) = on("a", {"s/web/compose.yaml": COMPOSE, "s/hosts/a/web/stack.yaml": "drift: warn\n"}).manifests
    assert (found.drift, found.compose_files) == (DriftMode.WARN, ("compose.yaml",))


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("drift: wanr\n", "s/hosts/a/web/stack.yaml:1: drift: "),
        ("rollout:\n  soaks: 1s\n", "s/hosts/a/web/stack.yaml:2: rollout.soaks"),
        (
            "compose: [x.yaml]\n",
            "s/hosts/a/web/stack.yaml:1: compose: belongs into the stack's own stack.yaml; take it out",
        ),
        ("env: {files: [x.env]}\n", "*.env files are found here by their names"),
        ("hosts: [x]\n", "s/hosts/a/web/stack.yaml:1: hosts: belongs into"),
        ("name: x\n", "s/hosts/a/web/stack.yaml:1: name: belongs into"),
        ("][", "s/hosts/a/web/stack.yaml:1"),
    ],
)
def test_a_mistake_in_an_overlay_is_told_where_it_stands(over: str, message: str) -> None:
    said = said_of(on("a", {**WEB, "s/hosts/a/web/stack.yaml": over}), "web")
    assert len(said) == 1, said
    assert message in said[0]
    assert names(on("b", {**WEB, "s/hosts/a/web/stack.yaml": over})) == ["web"]


def test_a_mistake_below_an_overlay_is_told_where_it_stands() -> None:
    files = {**WEB, "s/web/stack.yaml": "drift: wanr\n", "s/hosts/a/web/stack.yaml": "prune: {enabled: false}\n"}
    assert said_of(on("a", files), "web")[0].startswith("s/web/stack.yaml:1: drift")


def test_files_of_an_overlay_are_checked_like_the_stacks_own() -> None:
    files = {**WEB, "s/hosts/a/web/compose.yaml": "[]\n", "s/hosts/a/web/x.env": "=x\n"}
    said = said_of(on("a", files), "web")
    assert [problem.partition(":")[0] for problem in said] == ["s/hosts/a/web/compose.yaml", "s/hosts/a/web/x.env"]


def test_the_folder_hosts_holds_no_stack() -> None:
    found = on("b", {**WEB, "s/hosts/a/new/compose.yaml": COMPOSE, "s/hosts/compose.yaml": COMPOSE})
    assert names(found) == ["web"]
    assert [str(warning) for warning in found.warnings] == [
        "s/hosts/compose.yaml: not a stack, as hosts/ is for single hosts; name the stack's folder otherwise"
    ]


def test_an_overlay_for_no_stack_is_told_with_the_nearest_name() -> None:
    found = on("a", {**WEB, "s/hosts/a/weeb/compose.yaml": COMPOSE})
    assert 's/hosts/a/weeb: nothing is laid over, as no stack is named "weeb"; did you mean "web"?' in map(
        str, found.warnings
    )


@pytest.mark.parametrize(("host", "runs"), [("edge-1", True), ("EDGE-1", True), ("core", False), ("", False)])
def test_a_stack_runs_on_the_hosts_that_it_names(host: str, runs: bool) -> None:
    found = on(host, {**WEB, "s/web/stack.yaml": 'hosts: ["edge-*"]\n'})
    assert names(found) == (["web"] if runs else [])
    assert found.broken == {}
    assert ("web" in found.elsewhere) is not runs


def test_that_a_stack_is_for_other_hosts_is_said_to_who_needs_it_here() -> None:
    files = {
        **WEB,
        "s/web/stack.yaml": "hosts: [core]\n",
        "s/a/compose.yaml": COMPOSE,
        "s/a/stack.yaml": "dependsOn: [web]\n",
    }
    found = on("edge", files, ("web", "a"))
    assert (
        'does not run on this host: hosts: in its stack.yaml (core) does not name this host, "edge"'
        in said_of(found, "a")[0]
    )
    assert "host.yaml: stacks: web does not run here: hosts: in its stack.yaml" in str(found.warnings[0])


def test_a_broken_stack_of_other_hosts_troubles_nobody_here() -> None:
    assert on("edge", {**WEB, "s/web/stack.yaml": "hosts: [core]\ndrift: nonsense\n"}).broken == {}


def test_a_file_or_folder_of_the_overlay_stands_in_the_place_of_the_stacks() -> None:
    repository = Repository(
        {
            **WEB,
            "s/web/x.conf": "stack",
            "s/web/own.conf": "stack",
            "s/hosts/a/web/x.conf": "overlay",
            "s/hosts/a/web/more/b.conf": "overlay",
        }
    )
    (manifest,) = discover(repository.entries, "s", repository.read, ("*",), "a").manifests
    place = Place("/r", "id", "/c", "rev", repository.entries, lambda entry: f"/o/{entry.path}", lambda entry: "")
    paths = Paths(manifest, place)
    found = [paths.rewrite(f"/c/s/web/{name}", "k") for name in ("x.conf", "own.conf", "more", "data")]
    assert found == ["/o/s/hosts/a/web/x.conf", "/o/s/web/own.conf", "/o/s/hosts/a/web/more", "/r/data/web/data"]
