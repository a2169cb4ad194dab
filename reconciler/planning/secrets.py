"""What is a secret, and how a text is cleaned of it. Rather one value too many is hidden than one too few."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

HIDDEN = "(secret)"

_SECRET_NAME = re.compile(
    r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|SALT|COOKIE|DSN|(^|[_\-.])(KEY|PWD|AUTH|CERT|PIN)($|[_\-.\d])|APIKEY", re.I
)
# Names whose values an operator wants to read in a plan, and that give nothing away.
_PUBLIC_NAME = re.compile(
    r"(^|_)(DOMAINS?|HOST|HOSTNAME|PORT|IPS?|CIDRS?|PREFIX|IMAGE|TAG|VERSION|EMAIL|USER|TZ|TIMEZONE|LANG|LEVEL|"
    r"FREQUENCY|SCHEDULE|INTERVAL|TIMEOUT|REPLICAS|PATH|DIR|MODE|ENV|COUNT|SIZE|LIMIT|ENABLED|HEALTHCHECK)$|^(MAX|MIN|ALLOW)_"
    r"|ALLOWED_IPS|ALLOW_INVALID",
    re.I,
)
_SHORTEST_RANDOM = 12
_SHORTEST_SEARCHED = 4  # a value of "1" or "yes" would blacken every text; such a secret is known by its name alone


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret wherever it stands."""
    return bool(_SECRET_NAME.search(name))


@dataclass(frozen=True, slots=True)
class Mask:
    """``values``: all that a plan must not show. ``words``: those of them that no text may hold, wherever it comes from.

    Longest first, each also as Compose escapes it (``$`` as ``$$``).
    """

    values: tuple[str, ...] = field(default=(), repr=False)
    words: tuple[str, ...] = field(default=(), repr=False)

    def hides(self, key: str, value: str | None) -> bool:
        """Whether ``value`` must not be shown beside ``key`` (a dotted path such as ``environment.DB_PASSWORD``)."""
        if is_secret_name(key.rsplit(".", 1)[-1]):
            return True
        return value is not None and any(secret in value for secret in self.values)

    def with_all(self, others: Iterable[Mask]) -> Mask:
        """What any of them hides."""
        masks = (self, *others)
        return Mask(
            _longest_first({value for mask in masks for value in mask.values}),
            _longest_first({word for mask in masks for word in mask.words}),
        )

    def clean(self, text: str) -> str:
        """``text`` with every secret in it replaced."""
        for secret in self.words:
            text = text.replace(secret, HIDDEN)
        return text


def mask_of(environment: Mapping[str, str], secrets: Collection[str] = ()) -> Mask:
    """The mask for a stack's host-local variables (``env/<stack>.env``). ``secrets``: names of those that somebody called so.

    A plan shows none but those with a plainly public name: it can afford to. Messages and logs are cleaned only of what
    is named a secret or looks like one, because a variable that holds an ordinary word would blacken them.
    """
    values: set[str] = set()
    words: set[str] = set()
    for name, value in environment.items():
        is_secret = name in secrets or is_secret_name(name)
        if _PUBLIC_NAME.search(name) and not is_secret:
            continue
        if len(value) < _SHORTEST_SEARCHED:
            continue
        values |= _written(value)
        if is_secret or _looks_random(value):
            words |= _written(value)
    return Mask(_longest_first(values), _longest_first(words))


def _written(value: str) -> set[str]:
    """A value of several lines, a key for example, is told line by line."""
    lines = (
        {line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORTEST_RANDOM}
        if "\n" in value
        else set()
    )
    return {value, value.replace("$", "$$"), *lines}


def _looks_random(value: str) -> bool:
    """Long, without spaces, letters and digits mixed: as generated keys are, and addresses with a password in them."""
    if len(value) < _SHORTEST_RANDOM or any(character.isspace() for character in value):
        return False
    return any(character.isdigit() for character in value) and any(character.isalpha() for character in value)


def _longest_first(values: set[str]) -> tuple[str, ...]:
    return tuple(sorted(values, key=lambda value: (-len(value), value)))
