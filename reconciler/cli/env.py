"""``reconciler env``: the variables of a stack, what is wrong with them, and where each comes from. Prints no value."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED, WRONG_USE, Failure
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options, as_json, no_fetch

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.execution.environments import Survey
    from reconciler.execution.work import Work
    from reconciler.model.environment import EnvironmentSchema, EnvironmentUse
    from reconciler.model.errors import Problem

_EXAMPLE = ".env.example"


@click.group(epilog="Example: reconciler env check web")
def env() -> None:
    """The variables of a stack: check, show, example, accept.

    They are set in env/<stack>.env under the root folder, and described by the env.schema.json of the stack's folder. See
    docs/environment.md.
    """


@env.command(
    "check",
    short_help="Hold a stack's variables against its env.schema.json.",
    epilog="Example: reconciler env check web",
)
@click.argument("stack")
@no_fetch
@as_json
@click.pass_obj
def check(options: Options, stack: str, no_fetch: bool, form: str | None) -> int:
    """Hold the variables of STACK against its env.schema.json, and say all that is wrong at once.

    Nothing is changed, and no value is printed. Ends with 0 where nothing is wrong, with 1 otherwise; warnings are no
    reason for 1.
    """
    with _opened(options) as parts:
        work, survey, problems = _survey(parts, stack, fetch=not no_fetch)
    if form == "json":
        told = [("error", problem) for problem in problems] + [("warning", one) for one in survey.warnings]
        output.print_json([_told(severity, problem) for severity, problem in told])
        return FAILED if problems else 0
    for problem in problems:
        output.line(str(problem))
    for warning in survey.warnings:
        output.line(f"warning: {warning}")
    if problems:
        output.complain(f"{stack}: {_counted(len(problems))} with its variables; what runs is left as it is")
        return FAILED
    if survey.schema is None:
        output.note(f"{work.manifest.folder or stack} has no env.schema.json, so there is nothing to hold them against")
    else:
        output.line(f"{stack}: nothing is wrong with its variables")
    return 0


@env.command(
    "show",
    short_help="List a stack's variables and where they come from, no values.",
    epilog="Example: reconciler env show web",
)
@click.argument("stack")
@no_fetch
@as_json
@click.pass_obj
def show(options: Options, stack: str, no_fetch: bool, form: str | None) -> int:
    """List the variables of STACK: whether each is set, where its value comes from, and what it is for. No value is printed."""
    with _opened(options) as parts:
        work, survey, _ = _survey(parts, stack, fetch=not no_fetch)
    found = [_variable(name, survey, work.manifest.environment) for name in _names(survey)]
    if form == "json":
        output.print_json(found)
    elif not found:
        output.note(f"{stack} has no variables")
    else:
        titles = ("VARIABLE", "VALUE", "FROM", "KIND", "FOR")
        output.print_table(titles, [_row(one) for one in found])
    return 0


@env.command(
    "example",
    short_help="Make a stack's .env.example from its env.schema.json.",
    epilog="Example: reconciler env example desired_state/upsignon --write",
)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@click.option("--write", "writes", is_flag=True, help=f"Write it to {_EXAMPLE} in FOLDER instead of printing it.")
@click.option("--check", "checks", is_flag=True, help=f"Say whether {_EXAMPLE} in FOLDER is what would be written.")
def example(folder: Path, writes: bool, checks: bool) -> int:
    """Make the .env.example of the stack in FOLDER (of a checkout) from its env.schema.json.

    Needs no root and no repository. --check ends with 1 where the file there is another one, for a pipeline.
    """
    from reconciler.declared.environment.example import example_of

    if writes and checks:
        raise Failure("--write and --check exclude each other", WRONG_USE)
    schema, use = _read_folder(folder)
    text, path = example_of(schema, use.generate.keys()), folder / _EXAMPLE
    if not writes and not checks:
        click.echo(text, nl=False)
    elif checks and (not path.is_file() or path.read_text(encoding="utf-8") != text):
        raise Failure(f"{path} is not what {schema.file} makes; run: reconciler env example {folder} --write")
    elif writes:
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Failure(f"{path} cannot be written ({error.strerror})") from error
        output.line(f"wrote {path}")
    return 0


@env.command(
    "accept",
    short_help="Take the present value of a variable as right.",
    epilog="Example: reconciler env accept web DB_PASSWORD",
)
@click.argument("stack")
@click.argument("variable")
@click.pass_obj
def accept(options: Options, stack: str, variable: str) -> int:
    """Take the present value of VARIABLE as right, although env.immutable forbade the change or a generated one has gone.

    For when it was changed everywhere by hand: nothing is changed in a database by this. The value in env/<stack>.env
    counts from now on; where it is one of env.generate and not set there, a new one is made. Where an action that renews
    it was cut short, its new value is forgotten.
    """
    from reconciler.cli.rooms.actions import renewal_files
    from reconciler.model.record import RequestKind

    layout = roots.layout_of(options.root)
    with roots.open_journal(layout) as journal:
        files = renewal_files(layout)
        marks = {mark.name: mark for mark in journal.marks.marks(stack)}
        known = [mark.name for mark in marks.values() if mark.binds]
        pending = files.pending(stack)
        is_renewed = pending is not None and pending.variable == variable
        if variable not in known and not is_renewed:
            roots.check_stack(journal, stack)
            listed = f"only of {', '.join(known)}" if known else "of none of its variables"
            raise Failure(
                f"{stack}: nothing is remembered of {variable} that could be in the way ({listed})", WRONG_USE
            )
        with files.turn(stack) if is_renewed else nullcontext(True) as is_free:
            if not is_free:
                raise Failure(f"{variable} is being renewed at this very moment; ask again when that is over")
            if variable in marks:
                journal.marks.save_mark(marks[variable].accepted)
            if is_renewed:
                files.drop(stack)
        message = f"{roots.who()} accepted the present value of {variable}"
        journal.tell(stack, "info", "VariableAccepted", message, "", time.time())
        if roots.daemon_of(layout) is not None:
            journal.ask(RequestKind.RECONCILE, stack, roots.who(), time.time())
    output.line(f"{stack}: the value of {variable} in env/{stack}.env counts from now on")
    return 0


def _opened(options: Options) -> AbstractContextManager[Parts]:
    from reconciler.cli.wiring import opened

    return opened(roots.layout_of(options.root), log_level=level_of(options, tells_itself=True))


def _survey(parts: Parts, stack: str, *, fetch: bool) -> tuple[Work, Survey, tuple[Problem, ...]]:
    """Raises Failure where the stack's own files are wrong: then nobody knows what its variables are to be."""
    from reconciler.cli.rooms.actions import renewal_files
    from reconciler.cli.works import find_works
    from reconciler.model.errors import InvalidInputError, Problem
    from reconciler.planning.renewal import cut_short

    host = parts.host(lambda _: None)
    (work,) = find_works(parts, host, stack, None, fetch=fetch)
    if work.problems:
        raise InvalidInputError(work.problems)
    environments = parts.desire.environments
    survey = environments.of(work.manifest, work.revision)
    pending = renewal_files(parts.layout).pending(stack)
    changed = [one for one in environments.changed(work.manifest, survey) if not pending or one.key != pending.variable]
    left = [Problem(survey.environment.file, 0, pending.variable, cut_short(pending))] if pending else []
    return work, survey, (*survey.problems, *changed, *left)


def _counted(number: int) -> str:
    return "one thing is wrong" if number == 1 else f"{number} things are wrong"


def _told(severity: str, problem: Problem) -> dict[str, object]:
    return {
        "severity": severity,
        "file": problem.file,
        "line": problem.line or None,
        "variable": problem.key,
        "message": problem.message,
    }


def _names(survey: Survey) -> list[str]:
    """In the order of the schema; those that it does not know come last."""
    return list(dict.fromkeys((*(survey.schema.variables if survey.schema else ()), *survey.environment.settings)))


def _variable(name: str, survey: Survey, use: EnvironmentUse) -> dict[str, object]:
    rule = survey.schema.variables.get(name) if survey.schema is not None else None
    setting = survey.environment.settings.get(name)
    is_set = setting is not None and bool(setting.value)
    is_default = not is_set and bool(survey.environment.defaults.get(name))
    return {
        "name": name,
        "value": "set" if is_set else "default" if is_default else "not set",
        "file": setting.file
        if setting is not None and is_set
        else survey.schema.file
        if survey.schema and is_default
        else "",
        "line": setting.line if setting is not None and is_set else None,
        "known": rule is not None,
        "required": rule is not None and rule.required,
        "secret": (rule is not None and rule.secret) or name in use.generate,
        "generated": name in use.generate,
        "immutable": name in use.immutable,
        "description": rule.description if rule is not None else "",
    }


def _row(one: dict[str, object]) -> tuple[str, ...]:
    kinds = [kind for kind in ("required", "secret", "generated", "immutable") if one[kind]]
    place = f"{one['file']}:{one['line']}" if one["line"] else str(one["file"])
    what = str(one["description"]) if one["known"] else "(no schema describes it)"
    return str(one["name"]), str(one["value"]), place, ", ".join(kinds), what


def _read_folder(folder: Path) -> tuple[EnvironmentSchema, EnvironmentUse]:
    """The schema of a stack's folder on disk, and what its stack.yaml says of the variables. Raises Failure, InvalidInputError."""
    from reconciler.declared.environment.schema_file import SCHEMA_FILE, read_schema
    from reconciler.declared.environment.section import environment_use_of
    from reconciler.declared.stack_file import read_stack_file
    from reconciler.model.errors import InvalidInputError

    stack_file = folder / "stack.yaml"
    root = {}
    if stack_file.is_file():
        read = read_stack_file(stack_file.read_bytes(), str(stack_file))
        if read.problems or read.document is None:
            raise InvalidInputError(read.problems)
        root = dict(read.document.root)
    use = environment_use_of(root.get("env", {}), SCHEMA_FILE)
    path = folder / use.schema
    if not path.is_file():
        raise Failure(f"there is no {path} to make an example from; see docs/environment.md", WRONG_USE)
    found = read_schema(path.read_bytes(), str(path))
    if found.schema is None:
        raise InvalidInputError(found.problems)
    return found.schema, use
