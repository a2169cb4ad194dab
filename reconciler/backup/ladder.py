"""Judges what was seen of a backup, level by level. Pure: reads no file and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from reconciler.backup.entry import Finding
from reconciler.model.backup import Level

_MOST_NAMED = 3


def made(status: int, complaint: str, size: int, last_size: int | None, max_shrink_percent: int) -> Finding | None:
    """L0. ``last_size``: of the newest sound one before, None where there is none."""
    if status:
        return Finding(Level.L0, complaint or f"the dump ended with exit status {status} and said nothing")
    if size == 0:
        return Finding(Level.L0, "the dump is empty, although it ended with exit status 0")
    if last_size and size < last_size * (100 - max_shrink_percent) / 100:
        shrunk = 100 - size * 100 / last_size
        return Finding(
            Level.L0,
            f"it is {shrunk:.0f} % smaller than the last good one ({size} bytes after {last_size}), and maxShrinkPercent "
            f"allows {max_shrink_percent}; if that is right, accept it: reconciler backup verify",
        )
    return None


def read(digest: str, size: int, noted_digest: str, noted_size: int, status: int, complaint: str) -> Finding | None:
    """L1. ``noted``: when it was made."""
    if size != noted_size:
        return Finding(Level.L1, f"the file has {size} bytes, and had {noted_size} when it was made")
    if digest != noted_digest:
        return Finding(
            Level.L1, "the file's checksum is another than when it was made: the disk, or somebody, changed it"
        )
    if status:
        return Finding(Level.L1, f"it cannot be read to its end: {complaint or f'exit status {status}'}")
    return None


def restored(status: int, complaint: str, was_out_of_memory: bool, memory: str) -> Finding | None:
    """L2."""
    if status == 0:
        return None
    if was_out_of_memory:
        return Finding(Level.L2, f"the throwaway server ran out of memory ({memory}): {_last(complaint)}")
    return Finding(Level.L2, f"it cannot be restored: {complaint or f'exit status {status}'}")


def counted(noted: Mapping[str, int], found: Mapping[str, int]) -> Finding | None:
    """L3."""
    return _differing([
        f"{table} had {noted[table]} rows and has {found[table]} after the restore"
        if table in noted and table in found
        else f"{table} is {'missing' if table in noted else 'new'} after the restore"
        for table in sorted({*noted, *found})
        if noted.get(table) != found.get(table)
    ])  # fmt: skip


def compared(noted: Mapping[str, str], found: Mapping[str, str]) -> Finding | None:
    """L3, of what is no number."""
    return _differing([
        f"the {name} is another one after the restore"
        for name in sorted({*noted, *found})
        if noted.get(name) != found.get(name)
    ])  # fmt: skip


def _differing(wrong: Sequence[str]) -> Finding | None:
    if not wrong:
        return None
    more = f", and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
    return Finding(Level.L3, "; ".join(islice(wrong, _MOST_NAMED)) + more)


def _last(text: str) -> str:
    return text.splitlines()[-1] if text else "it said nothing"
