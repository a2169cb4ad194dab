"""Keys of age for tests: a file of identities, and what is encrypted for one."""

from __future__ import annotations

from pathlib import Path

import pyrage

from reconciler import age_keys


def make_key(file: Path) -> str:
    """Its recipient."""
    return age_keys.add_identity(file)


def sealed(text: str | bytes, *recipients: str, armored: bool = True) -> bytes:
    content = text.encode() if isinstance(text, str) else text
    return bytes(pyrage.encrypt(content, age_keys.recipients(recipients), armored=armored))
