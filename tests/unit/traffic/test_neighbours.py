"""Which Traefiks of other stacks a stack is rendered for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.execution.neighbours import Neighbours
from reconciler.manifest import Discovery
from reconciler.model.desired import Release
from reconciler.model.errors import InvalidInputError, Problem
from reconciler.model.manifest import Manifest
from reconciler.model.source import EntryKind, Revision, TreeEntry
from reconciler.planning.proxies import Proxy, proxies_of
from tests.builders import ROOT, bind, manifest, release, traefik

FILES = {"edge": b"--providers.docker=true", "shop": b"traefik.enable: true", "blog": b"nothing of it"}
AT = Revision("c1", "t1", "subject", "author", 0)


class FilesOfStacks:
    """The ``Tree`` port, as far as it is asked here: a Compose file for each stack."""

    def entries(self, revision: Revision) -> Mapping[str, TreeEntry]:
        folders = {name: TreeEntry(name, EntryKind.FOLDER, f"tree of {name}") for name in FILES}
        files = {f"{name}/compose.yaml": TreeEntry(f"{name}/compose.yaml", EntryKind.FILE, name) for name in FILES}
        return folders | files

    def read(self, object_id: str) -> bytes:
        return FILES[object_id]


def folder_of(stack: str) -> str:
    return f"{ROOT}/state/traefik/{stack}"


def edge(**more: Any) -> Release:
    proxy = traefik(volumes=[bind(folder_of("edge"))], **more)
    return release({"traefik": proxy}, declared=manifest(stack="edge", folder="edge"))


RUNNING = proxies_of(edge(user="1"), folder_of("edge"))


class Scene:
    def __init__(self, found: Release | InvalidInputError) -> None:
        self.found = found
        self.rendered: list[str] = []
        tree: Any = FilesOfStacks()
        self.neighbours = Neighbours(tree, folder_of, lambda stack: RUNNING if stack == "edge" else ())

    def render(self, other: Manifest, revision: Revision) -> Release:
        self.rendered.append(other.name)
        if isinstance(self.found, InvalidInputError):
            raise self.found
        return self.found

    def of(self, stack: str, broken: tuple[str, ...] = ()) -> tuple[Proxy, ...]:
        names = (name for name in FILES if name not in broken)
        manifests = tuple(manifest(stack=name, folder=name) for name in names)
        found = Discovery(manifests, {name: (Problem("f", 1, "k", "m"),) for name in broken})
        return self.neighbours.proxies(manifest(stack=stack, folder=stack), AT, lambda _: found, self.render)


def test_a_stack_that_speaks_of_traefik_is_rendered_for_those_of_its_neighbours() -> None:
    scene = Scene(edge())
    assert scene.of("shop") == proxies_of(edge(), folder_of("edge"))
    assert scene.rendered == ["edge"]


def test_a_stack_that_does_not_has_nobody_rendered_for_it() -> None:
    scene = Scene(edge())
    assert scene.of("blog") == ()
    assert scene.rendered == []


def test_a_traefik_that_serves_its_own_stack_only_counts_for_nobody_else() -> None:
    command = [*traefik()["command"], "--providers.docker.constraints=Label(`com.docker.compose.project`,`edge`)"]
    assert Scene(edge(command=command)).of("shop") == ()


def test_of_a_neighbour_that_cannot_be_read_or_rendered_those_that_run_count() -> None:
    assert Scene(InvalidInputError((Problem("f", 1, "k", "m"),))).of("shop") == RUNNING
    assert Scene(edge()).of("shop", broken=("edge",)) == RUNNING
