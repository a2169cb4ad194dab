"""The variables of the stacks: what is required and has no value is asked for, or taken from flags. A value that is there
is never replaced, and none is ever shown.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.errors import WRONG_USE, Failure
from reconciler.cli.setup import asking

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.execution.work import Work
    from reconciler.model.errors import Problem

_REQUIRED = re.compile(r"variable (?P<name>[A-Za-z_][A-Za-z0-9_]*) is required(?:: (?P<words>.*))?")
_SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY$")
_GENERATED_BYTES = 24
_HEADING = "Set by reconciler init"


@dataclass(frozen=True, slots=True)
class Missing:
    """A variable that is required and has no value. ``wrong``: why a text cannot be its value, "" where it can."""

    name: str
    description: str
    secret: bool = False
    example: str = ""
    wrong: Callable[[str], str] = asking.anything


def given_values(pairs: Sequence[str], files: Sequence[str]) -> dict[str, str]:
    """Of ``--set NAME=VALUE`` and ``--set-file NAME=PATH``, whose last line end is taken away. Raises Failure."""
    found = dict(_split(pair, "--set NAME=VALUE") for pair in pairs)
    for pair in files:
        name, path = _split(pair, "--set-file NAME=PATH")
        try:
            found[name] = Path(path).read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"--set-file {name}: {path} cannot be read ({error})", WRONG_USE) from error
    return found


def _split(pair: str, form: str) -> tuple[str, str]:
    name, sign, value = pair.partition("=")
    if not sign or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise Failure(f"write {form}: {name} is no name of a variable with a value behind it", WRONG_USE)
    return name, value


def settle(parts: Parts, works: Sequence[Work], given: Mapping[str, str], *, asks: bool) -> None:
    """Write what ``given`` says into env/<stack>.env of every stack that has such a variable, and ask for the rest. Raises
    Failure where a value cannot be taken, click.Abort."""
    used = set()
    for work in works:
        used |= take(parts, work, given)
        if asks:
            _ask(parts, work)
    for name in sorted(given.keys() - used):
        raise Failure(f"--set {name}: no stack of this host has such a variable", WRONG_USE)


def take(parts: Parts, work: Work, given: Mapping[str, str]) -> set[str]:
    """The names that are this stack's; one that has the very value already is fine."""
    known = _values(parts, work)
    mine = {name: value for name, value in given.items() if _is_of(parts, work, name)}
    new = {name: value for name, value in mine.items() if not known.get(name)}
    for name, value in mine.items():
        if known.get(name) and known[name] != value:
            raise Failure(
                f"{work.name}: {name} has another value already, which is left as it is: edit {_file(parts, work)}",
                WRONG_USE,
            )
    checks = {found.name: found for found in (*_declared(parts, work), *missing(parts, work))}
    for name, value in new.items():
        if name in checks and (why := checks[name].wrong(value)):
            raise Failure(f"{work.name}: --set {name}: {why} ({checks[name].description})", WRONG_USE)
    _put(parts, work, new)
    return set(mine)


def _ask(parts: Parts, work: Work) -> None:
    asked: set[str] = set()
    while new := [found for found in missing(parts, work) if found.name not in asked]:
        if not asked:
            output.heading(f"\n{work.name}: what it needs to know")
        asked |= {found.name for found in new}
        answers: dict[str, str] = {}
        try:
            for found in new:
                answers[found.name] = _answer(found)
        finally:  # who leaves in the middle is not asked again for what was said
            _put(parts, work, answers)  # what they say may make others needed


def _answer(found: Missing) -> str:
    if found.description:
        example = f" (such as {found.example})" if found.example else ""
        output.note(f"{found.name}: {found.description}{example}")
    if not found.secret:
        return asking.text(found.name, check=found.wrong)
    value = asking.secret(f"{found.name} (it is not shown; Enter alone for a generated one)", check=found.wrong)
    return value or secrets.token_urlsafe(_GENERATED_BYTES)


def missing(parts: Parts, work: Work) -> tuple[Missing, ...]:
    """In the order of the stack's schema, or else in that in which Compose tells of them; each once."""
    survey = parts.desire.environments.of(work.manifest, work.revision)
    if survey.schema is not None:
        told = {problem.key for problem in survey.problems}
        return tuple(
            found for found in _declared(parts, work) if found.name in told and not survey.environment.value(found.name)
        )
    return tuple({found.name: found for found in reversed(tuple(_missing(parts, work)))}.values())[::-1]


def _declared(parts: Parts, work: Work) -> Iterator[Missing]:
    """Every variable of the stack's schema, set or not."""
    from reconciler.declared.environment.values import wrong_value

    schema = parts.desire.environments.of(work.manifest, work.revision).schema
    for rule in schema.variables.values() if schema is not None else ():
        yield Missing(rule.name, rule.description, rule.secret, rule.example, wrong=partial(wrong_value, rule))


def _missing(parts: Parts, work: Work) -> Iterator[Missing]:
    from reconciler.model.errors import InvalidInputError

    assert work.revision is not None
    try:
        parts.desire.release(work.manifest, work.revision)
    except InvalidInputError as error:
        for problem in error.problems:
            if (found := _unset(problem)) is not None:
                yield found


def _unset(problem: Problem) -> Missing | None:
    """Of what Compose says of ``${NAME:?words}``."""
    match = _REQUIRED.search(problem.message)
    if match is None:
        return None
    is_secret = bool(_SECRET_NAME.search(match["name"].upper()))
    return Missing(match["name"], match["words"] or "", secret=is_secret, wrong=_not_nothing)


def _not_nothing(text: str) -> str:
    return "" if text else "it must not be empty"


def _is_of(parts: Parts, work: Work, name: str) -> bool:
    """Its own files name it."""
    from reconciler.declared.repository_files import RepositoryFiles
    from reconciler.declared.stack_folders import STACK_FILE

    assert work.revision is not None
    files = RepositoryFiles(parts.tree.entries(work.revision), parts.tree.read)
    word = re.compile(rf"\b{name}\b".encode())
    read = (files.find(work.manifest.folder, path).content for path in (*work.manifest.compose_files, STACK_FILE))
    return any(word.search(content) for content in read)


def _values(parts: Parts, work: Work) -> Mapping[str, str]:
    """What the host's own file says."""
    from reconciler.planning.dotenv import read_dotenv

    content = parts.environment.read(work.name)
    return read_dotenv(content, "").values if content else {}


def _file(parts: Parts, work: Work) -> Path:
    return parts.layout.env_file(work.name)


def _put(parts: Parts, work: Work, values: Mapping[str, str]) -> None:
    if values and parts.environment.put(work.name, values, heading=_HEADING):
        output.line(f"set    {', '.join(sorted(values))} in {_file(parts, work)}")
