"""What is wrong with the pairs that a stack asks for, as far as its services tell. Pure.

What ``stack.yaml`` tells by itself is found out before anything is rendered.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.model.desired import Release, ServiceSpec
from reconciler.model.errors import Problem
from reconciler.model.manifest import CertificateUse, Manifest


def wrong_uses(
    manifest: Manifest,
    specs: tuple[ServiceSpec, ...],
    volumes: Mapping[str, Any],
    folder_of: Callable[[str], str],
    hint: Callable[[str], str],
) -> Iterator[Problem]:
    """``volumes``: the model's own. ``folder_of``: where a path of the stack's folder lies on the host.
    ``hint``: which service may have been meant."""
    file = posixpath.join(manifest.folder, "stack.yaml")
    by_name = {spec.name: spec for spec in specs}
    for index, use in enumerate(manifest.certificates):
        spec = by_name.get(use.service)
        if spec is None:
            message = f'no service of this stack is named "{use.service}"{hint(use.service)}'
            yield Problem(file, 0, f"certs[{index}].service", message)
        elif not _sees(spec, folder_of(use.path), volumes):
            yield Problem(file, 0, f"certs[{index}].path", _not_mounted(use))


def with_uses_that_are_seen(manifest: Manifest, release: Release, folder_of: Callable[[str, str], object]) -> Manifest:
    """``manifest`` may be newer than what runs (``release``), whose services cannot show what they do not mount yet."""
    volumes = release.model.get("volumes") or {}
    seen = (
        use
        for use in manifest.certificates
        if (spec := release.service(use.service)) is not None
        and _sees(spec, str(folder_of(release.stack, use.path)), volumes)
    )
    return replace(manifest, certificates=tuple(seen))


def _sees(spec: ServiceSpec, folder: str, volumes: Mapping[str, Any]) -> bool:
    """It mounts the folder, or one that it lies in; outright, or by a named volume that is a bind mount."""
    for mount in spec.definition.get("volumes") or ():
        source = mount.get("source") or ""
        if mount.get("type") == "volume":
            source = ((volumes.get(source) or {}).get("driver_opts") or {}).get("device") or ""
        if source and (folder == source or folder.startswith(f"{source.rstrip('/')}/")):
            return True
    return False


def _not_mounted(use: CertificateUse) -> str:
    return (
        f'"{use.service}" does not mount the folder "{use.path}", so it would never see the pair; add '
        f'"./{use.path}:/<a folder>:ro" to its volumes: the folder itself, never a single file of it'
    )
