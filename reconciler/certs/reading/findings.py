"""How the reading of certificates speaks: problems, and words of foreign origin made fit for one line.

Nothing here ever repeats the text of a library's error: it could hold what was read.
"""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_WORD = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One line: what keeps a pair from being served, and how to mend it. ``arriving``: time alone may mend it, because
    files that are still being copied look like this, too.
    """

    text: str
    arriving: bool = False


def shown(word: str) -> str:
    """A name from a folder or a certificate, on one line whatever it holds."""
    word = word if word.isprintable() else ascii(word)[1:-1]
    return word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD]}..."
