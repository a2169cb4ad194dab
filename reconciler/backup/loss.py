"""What would be lost by going back to a backup, as far as it can be shown. Pure: counts nothing.

Rows that came or went show in the numbers of each table; rows that were only changed do not. So the backup's age counts, too:
whatever was written since is lost, and no more than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from reconciler.backup.entry import Backup
from reconciler.model.backup import MaxLoss
from reconciler.model.duration import shown_duration, written_duration

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Loss:
    """``tables``: those whose rows are not as many as then, with how many they are more (or less, below 0)."""

    age_s: float
    tables: Mapping[str, int]

    @property
    def rows(self) -> int:
        return sum(abs(count) for count in self.tables.values())


def loss_of(backup: Backup, counts: Mapping[str, int], now: float) -> Loss:
    """``counts``: the rows of each table now."""
    found = {name: counts.get(name, 0) - backup.counts.get(name, 0) for name in sorted({*counts, *backup.counts})}
    return Loss(max(0.0, now - backup.created_at), {name: more for name, more in found.items() if more})


def beyond(loss: Loss, most: MaxLoss) -> str:
    """Why it is more than may be lost, "" where it is not."""
    reasons = []
    if loss.rows > most.rows:
        named = ", ".join(f"{name} {more:+}" for name, more in islice(loss.tables.items(), _MOST_NAMED))
        rest = f", and {len(loss.tables) - _MOST_NAMED} more" if len(loss.tables) > _MOST_NAMED else ""
        reasons.append(f"{loss.rows} rows came or went since ({named}{rest}), and maxLoss allows {most.rows}")
    if loss.age_s > most.age_s:
        reasons.append(f"it is {shown_duration(loss.age_s)} old, and maxLoss allows {written_duration(most.age_s)}")
    return "; ".join(reasons)
