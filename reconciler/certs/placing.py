"""A pair in a folder that a container mounts, changed as one: both files follow one link, which one rename turns.

``<folder>/NAME.crt`` and ``NAME.key`` are links through ``..NAME`` to a folder of that very pair, as Kubernetes lays out
what it mounts; whoever opens both at any moment gets two that belong together, unless the turn falls between the two.
What became of the pair is marked beside its files, so that whoever is killed between two steps finds it again. Decides
nothing.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from reconciler import files
from reconciler.certs.model import Pair
from reconciler.model.errors import WaitingError
from reconciler.model.manifest import CertificateUse

_SHORT = 16


class Mark(StrEnum):
    """What became of a pair that was placed."""

    SERVED = "served"  # its service was told, or began with it, and shows it where that can be seen
    REFUSED = "refused"  # its service does not take it


@dataclass(frozen=True, slots=True)
class Place:
    """Where the pair of ``use`` lies. A *version* is a pair as one use wants it laid out: its files, owner and mode.

    ``staging``: a folder of the same file system that nobody watches. What writes raises
    WaitingError(reason="CannotWrite"), and then the version that lay there lies there.
    """

    folder: Path
    use: CertificateUse
    staging: Path

    def version_of(self, pair: Pair) -> str:
        user, group = self.use.owner
        return f"{pair.fingerprint[:_SHORT]}-{user}.{group}-{self.use.mode:o}"

    @property
    def version(self) -> str:
        """The one that lies there; "" for none."""
        try:
            return os.readlink(self._link).removeprefix(self._prefix)
        except OSError:
            return ""

    @property
    def placed_at(self) -> float:
        """When that one was put there: seconds since the epoch, 0 for never."""
        try:
            return os.lstat(self._link).st_mtime
        except OSError:
            return 0.0

    @property
    def before(self) -> str:
        """The one that was served last, beside the one that lies there; "" for none."""
        served = [found for found in self._others() if self.marked(found, Mark.SERVED) is not None]
        return max(served, key=lambda found: self._file(found, Mark.SERVED).stat().st_mtime, default="")

    def holds(self, pair: Pair) -> bool:
        """Whether the pair lies there, byte by byte."""
        if self.version != self.version_of(pair):
            return False
        return self._reads("crt") == pair.chain and self._reads("key") == pair.key

    def put(self, pair: Pair) -> None:
        version, owner, mode = self.version_of(pair), self.use.owner, self.use.mode
        for mark in Mark:
            self.unmark(version, mark)
        with self._writing():
            _let_in(self.folder)
            _let_in(self.folder / f"{self._prefix}{version}")
        files.put(self._file(version, f"{pair.name}.crt"), pair.chain, self.staging, owner=owner, mode=mode | 0o044)
        files.put(self._file(version, f"{pair.name}.key"), pair.key, self.staging, owner=owner, mode=mode)
        with self._writing():
            for ending in ("crt", "key"):
                _point(self.folder / f"{pair.name}.{ending}", f"..{pair.name}/{pair.name}.{ending}")
            last = self.version
            kept = {version, last, self.before if self.marked(last, Mark.SERVED) is None else last}
            _point(self._link, f"{self._prefix}{version}")
        self._clear(kept)

    def put_back(self, version: str) -> None:
        with self._writing():
            _point(self._link, f"{self._prefix}{version}")

    def mark(self, version: str, mark: Mark, text: str) -> None:
        """``text``: under which circumstances it holds."""
        files.put(self._file(version, mark), text.encode(), self.staging, mode=0o644)

    def marked(self, version: str, mark: Mark) -> str | None:
        """With which text; None if it is not marked so."""
        try:
            return self._file(version, mark).read_text()
        except (OSError, ValueError):
            return None

    def unmark(self, version: str, mark: Mark) -> None:
        with self._writing():
            self._file(version, mark).unlink(missing_ok=True)

    @property
    def _link(self) -> Path:
        return self.folder / f"..{self.use.pair}"

    @property
    def _prefix(self) -> str:
        return f"..{self.use.pair}-"

    def _file(self, version: str, name: str) -> Path:
        return self.folder / f"{self._prefix}{version}" / name

    def _reads(self, ending: str) -> bytes | None:
        try:
            return (self.folder / f"{self.use.pair}.{ending}").read_bytes()
        except OSError:
            return None

    def _others(self) -> tuple[str, ...]:
        """Those that are kept beside the one that lies there."""
        now = self.version
        found = (path.name.removeprefix(self._prefix) for path in self.folder.glob(f"{self._prefix}*"))
        return tuple(sorted(version for version in found if version != now and self._is_version(version)))

    def _is_version(self, name: str) -> bool:
        """Of this pair: another one's name may begin like it, as ``db-old`` does like ``db``."""
        fingerprint = name.partition("-")[0]
        return (
            len(fingerprint) == _SHORT and name.count("-") == 2 and self._file(name, f"{self.use.pair}.key").is_file()
        )

    def _clear(self, keep: set[str]) -> None:
        """All other versions, and what somebody who was killed had begun to turn."""
        for version in set(self._others()) - keep:
            shutil.rmtree(self.folder / f"{self._prefix}{version}", ignore_errors=True)
        for left in self.folder.glob("..tmp-*"):
            left.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WaitingError(f"{self.folder} cannot be written: {error.strerror}", reason="CannotWrite") from error


def _let_in(folder: Path) -> None:
    """Whoever the container runs as comes as far as the files, whose modes say who reads them."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o755)


def _point(link: Path, target: str) -> None:
    """By one rename. Its time is that of the last turn, also where it led there already."""
    staged = link.with_name(f"..tmp-{uuid.uuid4().hex}")
    staged.symlink_to(target)
    staged.replace(link)
