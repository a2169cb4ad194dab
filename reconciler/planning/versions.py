"""Semantic versions and ranges of them, as npm writes them: ``>=2.0 <3``, ``^2.1``. Pure."""

from __future__ import annotations

from functools import lru_cache

from semantic_version import NpmSpec, Version

# One to three numbers, and what semantic versioning lets follow: 15.3, v2.1.0, 2.1.0-rc.1.
VERSION = r"v?(\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)"


def wrong_range(text: str) -> str:
    """ "" where nothing is."""
    try:
        _range(text)
    except ValueError:
        return f'"{text}" is no range of versions; write one such as ">=2.0 <3", "^2.1" or "~2.1"'
    return ""


def version_within(within: str, text: str) -> Version | None:
    """The version that ``text`` is, missing numbers being 0; None where it is none, or outside of the range. A pre-release
    is within a range only if the range names one of the same version."""
    try:
        version = Version.coerce(text)
    except ValueError:
        return None
    return version if _range(within).match(version) else None


@lru_cache(64)
def _range(text: str) -> NpmSpec:
    return NpmSpec(text)
