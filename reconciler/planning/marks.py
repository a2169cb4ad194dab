"""What may not change any more, and did: variables held against what is remembered of them. Never tells a value."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache

from reconciler.model.environment import Environment, EnvironmentUse, Mark
from reconciler.model.errors import Problem

_ROUNDS = 100_000


@lru_cache(maxsize=256)
def fingerprint(salt: str, value: str) -> str:
    """Slow on purpose: a password that somebody thought up can be guessed, and state.db may be read by another than who
    may read env/."""
    return hashlib.pbkdf2_hmac("sha256", value.encode("utf-8", "surrogatepass"), bytes.fromhex(salt), _ROUNDS).hex()


def changed_for_good(
    stack: str,
    use: EnvironmentUse,
    environment: Environment,
    marks: Mapping[str, Mark],
    renewers: Mapping[str, str],
) -> Iterator[Problem]:
    """``renewers``: the action that lawfully changes a variable, by its name."""
    for name in dict.fromkeys((*use.immutable, *use.generate)):
        mark, value = marks.get(name), environment.value(name)
        if mark is None:
            continue
        if not value and environment.whole and (mark.made or mark.print_):
            missing = environment.missing(name)
            yield Problem(missing.file, missing.line, name, f"{_gone(mark)} {_back(stack, name, use)}")
        elif value and name in use.immutable and mark.print_ and not _is_known(mark, value):
            setting = environment.settings.get(name) or environment.missing(name)
            yield Problem(
                setting.file,
                setting.line,
                name,
                f"it may not change after the first release, and did. {_instead(stack, name, renewers)}",
            )


def _is_known(mark: Mark, value: str) -> bool:
    return fingerprint(mark.salt, value) == mark.print_


def _gone(mark: Mark) -> str:
    if mark.made:
        return "it was generated once and has gone; a new one would not fit what the old one was used for."
    return "it may not change after the first release, and has gone."


def _back(stack: str, name: str, use: EnvironmentUse) -> str:
    anew = "to have a new one made" if name in use.generate else "if another value is right now"
    return f"Put the old value back (a backup of env/ has it), or, {anew}: reconciler env accept {stack} {name}"


def _instead(stack: str, name: str, renewers: Mapping[str, str]) -> str:
    action = renewers.get(name)
    if action is not None:
        return (
            f"Put the old value back, then change it with: reconciler action {stack} {action} (it changes the value "
            "everywhere and here together)"
        )
    return (
        "Put the old value back: what was made with it still has it. If you changed it there, too: "
        f"reconciler env accept {stack} {name}"
    )
