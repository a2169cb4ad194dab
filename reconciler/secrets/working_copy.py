"""Encrypted files in somebody's working copy: made, changed and encrypted for others, before they are committed.

What is in the clear stays in memory; only an editor is handed a file, in memory where this machine has such a place.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler import age_keys, files
from reconciler.model.errors import StalledError
from reconciler.planning.sealed import (
    ENDING,
    FOR_A_PASSPHRASE,
    as_age_wrote,
    is_for_passphrase,
    is_sealed,
    recipient_count,
    wrong_form,
)

RECIPIENTS = ".age-recipients"  # in the repository: who can decrypt what lies in its folder and below
_IN_MEMORY = (Path("/dev/shm"), Path("/run/user") / str(os.getuid()))


@dataclass(frozen=True, slots=True)
class Readers:
    """Who is to be able to decrypt. ``source``: who says so, for messages."""

    recipients: tuple[str, ...]
    source: str


def readers_of(file: Path, named: Sequence[str], identity_file: Path) -> Readers:
    """Those that were named; else those of the nearest ``.age-recipients``; else this machine itself. Raises StalledError
    where there are none."""
    if named:
        return Readers(tuple(dict.fromkeys(named)), "--recipient")
    listed = recipients_file(file.parent)
    if listed is not None:
        return Readers(listed_in(listed), str(listed))
    own = age_keys.public(identity_file)[:1]
    if not own:
        raise StalledError(
            f"nobody is named to encrypt it for: give -r age1..., list them in {RECIPIENTS} beside it or above, or make a key "
            f"of this host: reconciler secrets keygen (there is none in {identity_file})",
            reason="NoRecipient",
        )
    return Readers(own, str(identity_file))


def recipients_file(folder: Path) -> Path | None:
    """The nearest, up to the top of the working copy."""
    folder = folder.resolve()
    for place in (folder, *folder.parents):
        if (place / RECIPIENTS).is_file():
            return place / RECIPIENTS
        if (place / ".git").exists():
            return None
    return None


def listed_in(file: Path) -> tuple[str, ...]:
    """One a line; what stands behind # is for people. Raises StalledError for one that lists nobody, or what is none."""
    found = dict[str, None]()
    for number, line in enumerate(_lines(file), 1):
        if name := line.partition("#")[0].strip():
            try:
                age_keys.recipients([name])
            except StalledError as error:
                raise StalledError(f"{file}:{number}: {error}", reason=error.reason) from error
            found[name] = None
    if not found:
        raise StalledError(f"{file} lists nobody; write one recipient (age1...) a line", reason="NoRecipient")
    return tuple(found)


def encrypt(file: Path, readers: Readers) -> Path:
    """``file.age`` beside it; what is in the clear is left where it is. Raises StalledError, WaitingError."""
    content = _content(file)
    if is_sealed(file.name) or not wrong_form(content):
        raise StalledError(
            f"{file} is encrypted already; to change it: reconciler secrets edit {file}", reason="Sealed"
        )
    sealed = file.with_name(file.name + ENDING)
    _write(sealed, seal(content, readers.recipients))
    return sealed


def seal(content: bytes, recipients: Sequence[str]) -> bytes:
    """As text, which Git stores and shows well. Raises StalledError for a recipient that is none."""
    import pyrage

    return bytes(pyrage.encrypt(content, age_keys.recipients(recipients), armored=True))


def unseal(file: Path, identity_file: Path) -> bytes:
    """Raises StalledError."""
    import pyrage

    content = _content(file)
    if fault := wrong_form(content):
        raise StalledError(f"{file}: {fault}", reason="NotSealed")
    keys = age_keys.identities(identity_file)
    if not keys:
        raise StalledError(
            f"{file} cannot be decrypted: there is no key in {identity_file}; name another with --identity",
            reason="NoIdentity",
        )
    try:
        return bytes(pyrage.decrypt(as_age_wrote(content), keys))
    except pyrage.DecryptError as error:
        why = _why_not(content, error, identity_file)
        raise StalledError(f"{file} cannot be decrypted: {why}", reason="NoIdentity") from error


def _why_not(content: bytes, error: Exception, identity_file: Path) -> str:
    if is_for_passphrase(content):
        return FOR_A_PASSPHRASE
    if "matching keys" in str(error):
        return (
            f"it is encrypted for none of the keys in {identity_file}; name another with --identity, or have somebody who can "
            "decrypt it add this one: reconciler secrets rotate -r with all of its recipients"
        )
    return f"it is damaged ({error}); take it from an older commit, or encrypt it anew"


def edit(file: Path, named: Sequence[str], identity_file: Path, editor: Callable[[Path], None]) -> bool:
    """Whether it was changed; where nothing was, the file stays as it is. A file that is not there is made. Raises
    StalledError, WaitingError, and what ``editor`` raises; then nothing is changed."""
    if not is_sealed(file.name):
        raise StalledError(
            f"{file} is not encrypted; encrypt it first: reconciler secrets encrypt {file}", reason="NotSealed"
        )
    is_new = not file.exists()
    before = b"" if is_new else unseal(file, identity_file)
    readers = readers_of(file, named, identity_file)
    if not is_new and not named:
        _keep_readers(file, readers)
    with in_private(file.name.removesuffix(ENDING), before) as path:
        editor(path)
        after = _content(path)
    if after == before:
        return False
    _write(file, seal(after, readers.recipients))
    return True


def _keep_readers(file: Path, readers: Readers) -> None:
    """Nobody loses it unnoticed. age does not tell who can decrypt a file, but how many."""
    there = recipient_count(_content(file))
    if there > len(readers.recipients):
        raise StalledError(
            f"{file} is encrypted for {there} recipients, and would then be for {len(readers.recipients)} ({readers.source}): "
            f"list all of them in {RECIPIENTS}, or name them with -r",
            reason="NoRecipient",
        )


@contextmanager
def in_private(name: str, content: bytes) -> Iterator[Path]:
    """A file that only this user may read, in memory where there is such a place, and gone afterwards with what the editor
    left beside it."""
    place = next((place for place in _IN_MEMORY if place.is_dir() and os.access(place, os.W_OK)), None)
    folder = Path(tempfile.mkdtemp(prefix="reconciler-", dir=place))
    try:
        path = folder / name
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content)
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sealed_below(folder: Path) -> list[Path]:
    """Every encrypted file of a working copy."""
    found: list[Path] = []
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        found += (Path(top) / name for name in sorted(names) if is_sealed(name) and not (Path(top) / name).is_symlink())
    return found


def rotate(found: Sequence[Path], named: Sequence[str], identity_file: Path) -> None:
    """Encrypt each anew for its readers. All of them can be decrypted, or none is touched; one that a killed process has done
    already is done again without harm. Raises StalledError, WaitingError."""
    opened = check_all(found, named, identity_file)
    sealed = [(path, seal(content, readers_of(path, named, identity_file).recipients)) for path, content in opened]
    for path, content in sealed:
        _write(path, content)


def check_all(found: Sequence[Path], named: Sequence[str], identity_file: Path) -> list[tuple[Path, bytes]]:
    """What each holds. Raises StalledError with all that cannot be decrypted, or that somebody would lose unnoticed."""
    opened, faults = [], []
    for path in found:
        try:
            opened.append((path, unseal(path, identity_file)))
            if not named and recipients_file(path.parent) is None:
                _keep_readers(path, Readers(("this host",), "this host alone"))
        except StalledError as error:
            faults.append(str(error))
    if faults:
        raise StalledError("nothing was changed:\n" + "\n".join(f"  {fault}" for fault in faults), reason="NoIdentity")
    return opened


def replace_listed(file: Path, old: Sequence[str], new: str) -> None:
    """``new`` in the place of the first of ``old`` in a list of recipients, and no other of them; all else stays."""
    kept: list[str] = []
    is_there = False
    for line in _lines(file):
        if line.partition("#")[0].strip() not in old:
            kept.append(line)
        elif not is_there:
            kept.append(new + (f"  #{comment}" if (comment := line.partition("#")[2]) else ""))
            is_there = True
    if is_there:
        _write(file, ("\n".join(kept) + "\n").encode())


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StalledError(f"{file} cannot be read: {error.strerror}", reason="CannotRead") from error


def _lines(file: Path) -> list[str]:
    """Of a text that people edit, on whatever machine."""
    try:
        return _content(file).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise StalledError(f"{file} is not UTF-8; save the file as UTF-8", reason="CannotRead") from error


def _write(file: Path, content: bytes) -> None:
    """With the mode that it had; what is encrypted may be read by everybody."""
    mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o644
    files.put(file, content, file.parent, mode=mode)
