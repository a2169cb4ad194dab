"""Decrypts what lies encrypted in Git, with this host's keys, in memory: no file in the clear is ever written.

The ``SealedFiles`` port. Where it cannot be done, says what, where, and how to mend it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from reconciler import age_keys
from reconciler.model.errors import InvalidInputError, Problem, StalledError
from reconciler.planning.sealed import FOR_A_PASSPHRASE, as_age_wrote, is_for_passphrase, wrong_form
from reconciler.recent import Recent

_KEPT = 64  # decrypted contents, so that a pass does not decrypt what the one before did


class Opener:
    """``identity_file``: the host's keys; it need not be there. Safe to use from several threads."""

    def __init__(self, identity_file: Path) -> None:
        self._file = identity_file
        self._opened: Recent[tuple[str, bytes], bytes] = Recent(_KEPT)

    def state(self) -> str:
        """Changes whenever the host's keys may have changed."""
        try:
            found = self._file.stat()
        except OSError:
            return ""
        return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_mode}"

    def open(self, file: str, content: bytes) -> bytes:
        """``file``: as people know it, for messages. Raises InvalidInputError."""
        key = (self.state(), sha256(content).digest())
        return self._opened.or_made(key, lambda: self._decrypted(file, content))

    def _decrypted(self, file: str, content: bytes) -> bytes:
        import pyrage

        if fault := wrong_form(content):
            raise _wrong(file, fault)
        try:
            keys = age_keys.identities(self._file)
        except StalledError as error:
            raise _wrong(file, f"it is encrypted, and cannot be decrypted: {error}") from error
        if not keys:
            raise _wrong(
                file,
                f"it is encrypted, and this host has no key: there is none in {self._file} (a line that begins with "
                "AGE-SECRET-KEY-). Make one with reconciler secrets keygen and encrypt the file for it, too, or put a key there "
                "that it is encrypted for",
            )
        try:
            return bytes(pyrage.decrypt(as_age_wrote(content), keys))
        except pyrage.DecryptError as error:
            raise _wrong(file, self._why_not(content, error, keys)) from error

    def _why_not(self, content: bytes, error: Exception, keys: list[object]) -> str:
        if is_for_passphrase(content):
            return FOR_A_PASSPHRASE
        if "matching keys" in str(error):
            mine = ", ".join(str(key.to_public()) for key in keys)  # type: ignore[attr-defined]
            return (
                f"it is not encrypted for this host, whose keys are {mine}; where it can be decrypted, run: reconciler "
                "secrets rotate -r with all of its recipients and this one"
            )
        return f"it is damaged ({error}); take it from an older commit, or encrypt it anew"

    @contextmanager
    def held(self, content: bytes) -> Iterator[Path]:
        """A path that ``content`` can be read from by programs of this user that we start, while the block lasts. It is
        memory of this process, and no disk holds it."""
        descriptor = os.memfd_create("sealed")
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
            yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
        finally:
            os.close(descriptor)


def _wrong(file: str, message: str) -> InvalidInputError:
    return InvalidInputError((Problem(file, 0, "", message),))
