"""The keys of age that this host can decrypt with: reads them, and makes new ones. Keeps none, prints none."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reconciler import files
from reconciler.model.errors import StalledError

_IDENTITY = "AGE-SECRET-KEY-"


def identities(file: Path) -> list[Any]:
    """In the order of the file, as age-keygen writes it; none where there is no such file. Raises StalledError where it is not
    as it should be."""
    from pyrage import IdentityError
    from pyrage.x25519 import Identity

    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise StalledError(f"{file} may be read by others; run: chmod 600 {file}", reason="NoIdentity")
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
        return [Identity.from_str(line) for line in lines if line.startswith(_IDENTITY)]
    except FileNotFoundError:
        return []
    except OSError as error:
        why = f"cannot be read ({error.strerror}); run this as the user that it belongs to"
        raise StalledError(f"{file} {why}", reason="NoIdentity") from error
    except UnicodeDecodeError as error:
        why = "is no text in UTF-8: it must hold keys as age-keygen writes them, without a passphrase"
        raise StalledError(f"{file} {why}", reason="NoIdentity") from error
    except IdentityError as error:
        why = f"holds a key that is damaged ({error}); put it there whole, from the copy of it"
        raise StalledError(f"{file} {why}", reason="NoIdentity") from error


def public(file: Path) -> tuple[str, ...]:
    """The recipients that this host can decrypt for. Raises as ``identities``."""
    return tuple(str(identity.to_public()) for identity in identities(file))


def recipients(names: Sequence[str]) -> list[Any]:
    """Raises StalledError for one that is none."""
    import pyrage

    found = []
    for name in names:
        try:
            found.append(pyrage.x25519.Recipient.from_str(name))
        except pyrage.RecipientError as error:
            raise StalledError(
                f'"{name}" is no recipient of age: {error}; it begins with age1 and is printed by reconciler secrets keygen',
                reason="BadRecipient",
            ) from error
    return found


def add_identity(file: Path) -> str:
    """A new one before those that are there; its recipient. All of them are there, or only the old ones, whatever happens
    meanwhile. Raises StalledError."""
    from pyrage.x25519 import Identity

    identities(file)  # what is wrong with the file is said, and nothing is lost in it
    identity = Identity.generate()
    try:
        before = file.read_bytes() if file.exists() else b""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.replace(file, f"# public key: {identity.to_public()}\n{identity}\n".encode() + before, file.parent)
    except OSError as error:
        raise StalledError(f"{file} cannot be written ({error.strerror})", reason="NoIdentity") from error
    return str(identity.to_public())
