"""Which of the valid names somebody meant who wrote another one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

_NEAR_ENOUGH = 0.7  # as difflib measures it; below it ("backups" for "stacks") a guess confuses more than it helps
_MOST_COMPARED = 2000  # names; comparing costs about 10 us each
_LONGEST_COMPARED = 100  # characters


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name most like ``word``, whatever the case and the ``-`` and ``_`` in it; None where none is like it."""
    wanted = _plain(word)
    best, best_ratio = None, _NEAR_ENOUGH
    for name in sorted(set(names))[:_MOST_COMPARED]:
        ratio = SequenceMatcher(None, _plain(name), wanted).ratio()
        if ratio > best_ratio:
            best, best_ratio = name, ratio
    return best


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The end of a message: ``; did you mean "x"?``, or nothing."""
    found = nearest(word, names)
    return f'; did you mean "{found}"?' if found is not None else ""


def _plain(word: str) -> str:
    return word[:_LONGEST_COMPARED].lower().replace("_", "").replace("-", "")
