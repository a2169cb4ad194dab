"""Takes the name of an image apart: registry, repository, tag, digest. Pure."""

from __future__ import annotations

from dataclasses import dataclass

DOCKER_HUB = "docker.io"
_ANOTHER_NAME_OF_IT = "index.docker.io"
_DEFAULT_TAG = "latest"


@dataclass(frozen=True, slots=True)
class ImageReference:
    """``name``: without tag and digest, as it is written. ``registry``: host, and port if one is written. ``path``: of the
    repository at the registry. ``tag``: "" where only a digest is written."""

    name: str
    registry: str
    path: str
    tag: str
    digest: str = ""


def parse_reference(text: str) -> ImageReference:
    """As Docker reads it: ``nginx`` is ``docker.io/library/nginx:latest``."""
    rest, _, digest = text.partition("@")
    folder, slash, last = rest.rpartition("/")
    last, _, tag = last.partition(":")
    name = f"{folder}{slash}{last}"
    first, slash, path = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, path = DOCKER_HUB, name
    if first == _ANOTHER_NAME_OF_IT:
        first = DOCKER_HUB
    if first == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    return ImageReference(name, first, path, tag or ("" if digest else _DEFAULT_TAG), digest)
