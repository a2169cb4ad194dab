"""Which host names a certificate's names cover, by the rules that browsers follow (RFC 6125, RFC 9525).

A name is compared in small letters, in its A-label form (``xn--``), without the dot of the root. It never asks DNS.
"""

from __future__ import annotations

import re

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_PATTERN = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_LONGEST = 253


def covers(pattern: str, host: str) -> bool:
    """Whether a certificate's name is good for a host. A wildcard stands for one whole label, the leftmost; it covers
    neither the name below it nor a name two labels above. A host that is itself a wildcard is covered by its equal only.
    """
    pattern, host = canonical(pattern), canonical(host)
    if not is_pattern(pattern) or not is_pattern(host):
        return False
    if pattern == host:
        return True
    _, _, parent = host.partition(".")
    return pattern == f"*.{parent}"


def canonical(name: str) -> str:
    """The form in which names are compared; a name that has no A-label form stays as it is, in small letters."""
    name = name.strip().removesuffix(".")
    try:
        return name.lower() if name.isascii() else name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return name.lower()


def is_pattern(name: str) -> bool:
    """Whether it is a DNS name in canonical form, perhaps with a wildcard as its leftmost label."""
    return len(name) <= _LONGEST and _PATTERN.fullmatch(name) is not None
