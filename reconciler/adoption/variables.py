"""What becomes of the old project's variables: taken over as they are, never guessed, never shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.planning.dotenv import read_dotenv
from reconciler.planning.dotenv_writing import with_variables


def differing(own: bytes | None, old: bytes | None) -> tuple[str, ...]:
    """Names that both files set, and not to the same."""
    if own is None or old is None:
        return ()
    here, there = read_dotenv(own, "").values, read_dotenv(old, "").values
    return tuple(sorted(name for name in here.keys() & there.keys() if here[name] != there[name]))


def merged(own: bytes | None, old: bytes | None, file: str) -> bytes | None:
    """The old file as it is, and after it what only the host's own file sets. None where there is neither. ``file``: its name
    in problems. Raises InvalidInputError."""
    if own is None or old is None:
        return own if old is None else old
    here, there = read_dotenv(own, file).values, read_dotenv(old, file).values
    if there.keys() <= here.keys():
        return own
    return with_variables(old, file, {name: here[name] for name in here if name not in there})


def unused(names: Iterable[str], read: str, known: Iterable[str]) -> tuple[str, ...]:
    """Names that neither the text of the stack's files (``read``) nor the product itself (``known``) ever asks for."""
    known = frozenset(known)
    return tuple(sorted(name for name in names if name not in known and name not in read))


def otherwise(runs: Mapping[str, str], wanted: Mapping[str, str | None]) -> Iterator[str]:
    """Names of variables that a container has now, and that its successor would have with another value."""
    for name in sorted(runs.keys() & wanted.keys()):
        value = wanted[name]
        if value is not None and str(value).replace("$$", "$") != runs[name]:
            yield name
