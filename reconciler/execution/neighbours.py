"""The Traefiks of a stack's neighbours at a revision: what they lead to is rendered otherwise (docs/traffic.md)."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.manifest import Discovery
from reconciler.model.desired import Release
from reconciler.model.errors import InvalidInputError
from reconciler.model.manifest import Manifest
from reconciler.model.source import EntryKind, Revision
from reconciler.planning.proxies import Proxy, proxies_of
from reconciler.ports.repository import Tree
from reconciler.recent import Recent

_ANSWERS_KEPT = 256
_OF_A_PROXY = (b"RECONCILER_TRAEFIK_DIR", b"providers.docker", b"TRAEFIK_PROVIDERS_DOCKER")

Render = Callable[[Manifest, Revision], Release]


class Neighbours:
    """``running``: a stack's Traefiks as it was last proven; ``folder_of``: its ``RECONCILER_TRAEFIK_DIR``. Safe to use from
    several threads."""

    def __init__(
        self, tree: Tree, folder_of: Callable[[str], str], running: Callable[[str], tuple[Proxy, ...]]
    ) -> None:
        self._tree = tree
        self._folder_of = folder_of
        self._running = running
        self._spoken: Recent[tuple[str, tuple[bytes, ...]], bool] = Recent(_ANSWERS_KEPT)

    def proxies(
        self, manifest: Manifest, revision: Revision, stacks: Callable[[Revision], Discovery], render: Render
    ) -> tuple[Proxy, ...]:
        """Those that may lead to services of the stack; of a neighbour that cannot be read, those that run. Only a stack
        that speaks of Traefik has its neighbours looked at. ``render``: one as if it had none itself."""
        if not self._speaks_of(manifest.folder, revision, b"traefik."):
            return ()
        found = stacks(revision)
        beside: list[Proxy] = []
        for other in found.manifests:
            if other.name != manifest.name and self._speaks_of(other.folder, revision, *_OF_A_PROXY):
                beside += self._rendered(other, revision, render)
        for name in found.broken:
            beside += self._running(name)
        return tuple(proxy for proxy in beside if proxy.front.sees_others)

    def _rendered(self, manifest: Manifest, revision: Revision, render: Render) -> tuple[Proxy, ...]:
        try:
            return proxies_of(render(manifest, revision), self._folder_of(manifest.name))
        except InvalidInputError:
            return self._running(manifest.name)

    def _speaks_of(self, folder: str, revision: Revision, *words: bytes) -> bool:
        """Whether a YAML file of the folder has one of the words. Remembered by content."""
        entries = self._tree.entries(revision)
        key = (entries[folder].object_id if folder in entries else revision.tree, words)
        inside = f"{folder}/" if folder else ""
        files = (
            self._tree.read(entry.object_id)
            for path, entry in entries.items()
            if path.startswith(inside) and path.endswith((".yaml", ".yml")) and entry.kind is EntryKind.FILE
        )
        return self._spoken.or_made(key, lambda: any(word in content for content in files for word in words))
