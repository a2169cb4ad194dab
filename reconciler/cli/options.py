"""What every command is given: the options that stand before its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_ROOT = "/srv/reconciler"


@dataclass(frozen=True, slots=True)
class Options:
    """``root``: absolute; whether it is a root at all is for ``roots`` to say."""

    root: Path
    verbose: bool = False
    debug: bool = False
