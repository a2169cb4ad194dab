"""What is remembered beside a placed pair: that its service shows it, or does not take it, and for whom that holds."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from reconciler.certs.placing import Mark, Place
from reconciler.model.manifest import CertificateUse
from reconciler.model.observed import Container


def mark_served(place: Place, version: str) -> None:
    place.mark(version, Mark.SERVED, _how(place.use))


def is_served(place: Place, version: str) -> bool:
    return place.marked(version, Mark.SERVED) == _how(place.use)


def mark_refused(place: Place, version: str, containers: tuple[Container, ...]) -> None:
    place.mark(version, Mark.REFUSED, "\n".join((_how(place.use), *sorted(found.id for found in containers))))


def is_refused(place: Place, version: str, running: tuple[Container, ...]) -> bool:
    """By these very containers, told in this very way: another release, or another ``stack.yaml``, is a new try."""
    marked = place.marked(version, Mark.REFUSED)
    how, *containers = (marked or "").split("\n")
    return marked is not None and how == _how(place.use) and all(found.id in containers for found in running)


def _how(use: CertificateUse) -> str:
    """What a mark holds for, in one word: all of a use but where it lies."""
    return hashlib.sha256(repr(replace(use, path="")).encode()).hexdigest()
