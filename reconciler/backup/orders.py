"""What people ask for about a stack's backups, as the text of a request's row. Does nothing of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Do(StrEnum):
    RUN = "run"
    VERIFY = "verify"
    PRUNE = "prune"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Order:
    """``name``: of a plan (run; "" for all), or of a backup (verify, restore). ``into``: restored into a new database of
    that name, "" for in the place of the live one, which is then kept under another name unless ``drop_old``."""

    do: Do
    name: str = ""
    into: str = ""
    drop_old: bool = False

    def text(self) -> str:
        return json.dumps(asdict(self))


def order_of(text: str) -> Order:
    """Raises ValueError for what no ``text`` made."""
    try:
        found = json.loads(text)
        return Order(**{**found, "do": Do(found["do"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"no order: {text}") from error
