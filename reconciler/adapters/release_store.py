"""The resolved models of kept releases, as files that Compose can be handed. Never decides which are kept.

``state/releases/<stack>/<number>/compose.json`` is the model, ``release.json`` beside it the rest and the model's
checksum: a pair torn by a crash, or a file somebody edited, is found when it is read and not when it runs. Both hold
secrets: 0600 in folders of 0700.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from reconciler import files
from reconciler.model.errors import StalledError, WaitingError

_MODEL = "compose.json"
_REST = "release.json"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class ReleaseFiles:
    """``root``: the host's root folder. A stack's releases are saved by one thread at a time: its passes are serial."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "state" / "releases"

    def save(self, stack: str, number: int, content: Mapping[str, Any]) -> Path:
        """``content``: a JSON-able mapping whose ``model`` is what Compose gets. Durable when this returns.

        Raises WaitingError (DiskFull, ReleaseUnsaved). A save that was cut short is noticed by ``load`` and mended by
        saving again.
        """
        model = _text(content["model"])
        rest = {
            "modelSha256": hashlib.sha256(model).hexdigest(),
            "release": {key: value for key, value in content.items() if key != "model"},
        }
        path = self.model_path(stack, number)
        with _told(path.parent):
            _make_folder(path.parent)
            _replace(path, model)
            _replace(path.with_name(_REST), _text(rest))
        return path

    def load(self, stack: str, number: int) -> Mapping[str, Any]:
        """As it was saved. Raises StalledError (ReleaseMissing, ReleaseBroken), WaitingError (ReleaseUnreadable)."""
        path = self.model_path(stack, number)
        model, rest = _read(path, stack, number), _read(path.with_name(_REST), stack, number)
        try:
            written = json.loads(rest)
            if hashlib.sha256(model).hexdigest() != written["modelSha256"]:
                raise ValueError("its checksum does not match")
            return {**written["release"], "model": json.loads(model)}
        except (ValueError, KeyError, TypeError) as error:
            raise StalledError(
                f"Release {number} of {stack} is damaged: {path.parent} does not hold what was saved there "
                f"({_REST} and {_MODEL} do not belong together). {_MEND}",
                reason="ReleaseBroken",
            ) from error

    def model_path(self, stack: str, number: int) -> Path:
        if not stack or "/" in stack or stack.startswith("."):
            raise StalledError(f"{stack!r} cannot name a stack: it would name a place outside of {self._folder}.")
        return self._folder / stack / str(number) / _MODEL

    def numbers(self, stack: str) -> frozenset[int]:
        return frozenset(
            int(model.parent.name)
            for model in self.model_path(stack, 0).parents[1].glob(f"*/{_MODEL}")
            if model.parent.name.isdigit()
        )

    def remove(self, stack: str, number: int) -> None:
        """Fine if it is gone."""
        folder = self.model_path(stack, number).parent
        with _told(folder):
            # The part that makes it a release goes first: killed in between, it is missing and not damaged.
            with suppress(FileNotFoundError):
                os.remove(folder / _MODEL)
            with suppress(FileNotFoundError):
                shutil.rmtree(folder)
            with suppress(OSError):
                folder.parent.rmdir()  # only if it was the stack's last


_MEND = "Apply a commit again, or roll back to another release (`reconciler history` lists them)."


def _text(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _read(path: Path, stack: str, number: int) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StalledError(
            f"Release {number} of {stack} is not kept any more: there is no {path}. {_MEND}", reason="ReleaseMissing"
        ) from error
    except PermissionError as error:
        raise StalledError(
            f"{path} may not be read by this user. Run this as the user that runs the daemon, for instance with sudo.",
            reason="ReleaseForbidden",
        ) from error
    except OSError as error:
        raise WaitingError(
            f"{path} cannot be read now ({error.strerror}). Check the disk.", reason="ReleaseUnreadable"
        ) from error


def _make_folder(folder: Path) -> None:
    """Private, the ones above it too, and on the disk: a folder that its parent forgets takes the files along."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    files.sync_folder(folder.parent)


def _replace(path: Path, content: bytes) -> None:
    if _holds(path, content):
        return
    files.replace(path, content, path.parent)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise WaitingError(
                f"The disk that holds {folder} is full. Free some space; what runs goes on running.", reason="DiskFull"
            ) from error
        raise WaitingError(
            f"{folder} cannot be written ({error.strerror}). Check its owner and the disk.", reason="ReleaseUnsaved"
        ) from error
