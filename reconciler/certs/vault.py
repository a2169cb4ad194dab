"""The pairs that were served last, across restarts: one file of 0600. Also makes, once, the certificate for all other names.

It is written after a pair is proven, so it never holds one that was not; what is published is made from it and the folder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reconciler import files
from reconciler.certs.model import Pair
from reconciler.certs.rendering import Default

_MOST_REFUSED = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """``accepted``: by name. ``refused``: why pairs that were published were not served, by fingerprint and the time of their
    files."""

    accepted: Mapping[str, Pair] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


class Vault:
    """``file``: where it lies; ``staging``: a folder of the same file system that nobody watches."""

    def __init__(self, file: Path, staging: Path) -> None:
        self._file = file
        self._default_file = file.with_name("default.json")
        self._staging = staging
        self._default: Default | None = None

    def load(self) -> Kept:
        """Nothing where there is no file, or a damaged one: the folder then says it all again."""
        content = files.content_of(self._file)
        try:
            data = json.loads(content or b"{}")
            accepted = {entry["name"]: _pair(entry) for entry in data.get("accepted", ())}
            return Kept(accepted, dict(data.get("refused", {})))
        except (ValueError, KeyError, TypeError, AttributeError):
            return Kept()

    def save(self, kept: Kept) -> None:
        """Raises WaitingError."""
        refused = dict(list(kept.refused.items())[-_MOST_REFUSED:])
        data = {"accepted": [_entry(kept.accepted[name]) for name in sorted(kept.accepted)], "refused": refused}
        files.put(self._file, json.dumps(data, indent=1).encode(), self._staging)

    def default(self) -> Default:
        """Made once for a root, and then always the same. Raises WaitingError."""
        if self._default is None:
            self._default = self._read_or_made()
        return self._default

    def _read_or_made(self) -> Default:
        content = files.content_of(self._default_file)
        try:
            data = json.loads(content or b"")
            return Default(data["chain"].encode(), data["key"].encode(), data["fingerprint"])
        except (ValueError, KeyError, TypeError, AttributeError):
            from reconciler.certs.nobody import made_default  # loads cryptography, which is needed once

            made = made_default(time.time())
            data = {"chain": made.chain.decode(), "key": made.key.decode(), "fingerprint": made.fingerprint}
            files.put(self._default_file, json.dumps(data, indent=1).encode(), self._staging)
            return made


def _entry(pair: Pair) -> dict[str, Any]:
    return {**asdict(pair), "chain": pair.chain.decode(), "key": pair.key.decode()}


def _pair(entry: Mapping[str, Any]) -> Pair:
    own = {**entry, "chain": entry["chain"].encode(), "key": entry["key"].encode(), "domains": tuple(entry["domains"])}
    return Pair(**own)
