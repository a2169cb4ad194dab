"""Host data: folders that containers write to. Seeded once from Git, and never deleted or overwritten by us."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from reconciler.model.errors import StalledError, WaitingError


class HostData:
    def seed(self, source: Path, destination: Path) -> None:
        """Copy ``source`` (an object) to ``destination``, unless something is there.

        Raises WaitingError (DiskFull) and StalledError.
        """
        if destination.exists() or destination.is_symlink():
            return
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".seed-", dir=destination.parent) as room:
                copy = Path(room) / destination.name
                _copy(source, copy)
                os.rename(copy, destination)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise WaitingError(f"{destination} cannot be written: the disk is full", reason="DiskFull") from error
            raise StalledError(f"{destination} cannot be written ({error.strerror})", reason="SeedFailed") from error


def _copy(source: Path, copy: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, copy, symlinks=True)
    else:
        shutil.copy2(source, copy)
