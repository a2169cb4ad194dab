"""A pair in a folder that a container mounts, changed as one: both files follow one link, which one rename turns.

``<folder>/NAME.crt`` and ``NAME.key`` are links through ``..NAME`` to a folder of that very pair, as Kubernetes lays out
what it mounts; whoever opens both at any moment gets two that belong together, unless the turn falls between the two.
"""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from reconciler.certs import files
from reconciler.certs.model import Pair
from reconciler.model.errors import WaitingError
from reconciler.model.manifest import CertificateUse

_SHORT = 16


def placed(folder: Path, name: str) -> str:
    """The beginning of the fingerprint of the pair that lies there; "" for none."""
    try:
        return os.readlink(folder / f"..{name}").removeprefix(f"..{name}-")
    except OSError:
        return ""


def placed_at(folder: Path, name: str) -> float:
    """Seconds since the epoch; 0 for never."""
    try:
        return os.lstat(folder / f"..{name}").st_mtime
    except OSError:
        return 0.0


def is_placed(folder: Path, pair: Pair) -> bool:
    return placed(folder, pair.name) == pair.fingerprint[:_SHORT]


def place(folder: Path, pair: Pair, use: CertificateUse, staging: Path) -> None:
    """Raises WaitingError(reason="CannotWrite"), and then what lay there lies there."""
    inside = folder / f"..{pair.name}-{pair.fingerprint[:_SHORT]}"
    files.put(inside / f"{pair.name}.crt", pair.chain, staging, owner=use.owner, mode=use.mode | 0o044)
    files.put(inside / f"{pair.name}.key", pair.key, staging, owner=use.owner, mode=use.mode)
    try:
        _turn(folder / f"..{pair.name}", inside.name)
        for ending in ("crt", "key"):
            _turn(folder / f"{pair.name}.{ending}", f"..{pair.name}/{pair.name}.{ending}")
    except OSError as error:
        raise WaitingError(f"{folder} cannot be written: {error.strerror}", reason="CannotWrite") from error
    _clear(folder, pair.name, inside.name)


def place_back(folder: Path, name: str, before: str) -> None:
    """Let the pair lie there again whose ``placed`` was ``before``, as long as it is kept."""
    if before and (folder / f"..{name}-{before}").is_dir():
        with suppress(OSError):
            _turn(folder / f"..{name}", f"..{name}-{before}")


def _turn(link: Path, target: str) -> None:
    if link.is_symlink() and os.readlink(link) == target:
        return
    staged = link.with_name(f"..tmp-{uuid.uuid4().hex}")
    staged.symlink_to(target)
    staged.replace(link)


def _clear(folder: Path, name: str, keep: str) -> None:
    """All but the pair that lies there and the one before it."""
    mine = [path for path in folder.glob(f"..{name}-*") if path.name != keep]
    for old in sorted(mine, key=lambda path: path.stat().st_mtime, reverse=True)[1:]:
        shutil.rmtree(old, ignore_errors=True)
