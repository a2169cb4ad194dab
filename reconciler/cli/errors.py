"""How errors are shown to a person: one clear message with how to mend it, and an exit code. Mends nothing itself."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import click

from reconciler.model.errors import InvalidInputError, ReconcilerError

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130

# Reasons that are about what was typed or configured, not about what happened to it.
_WRONG_USE = frozenset({"NoRoot", "InvalidConfiguration", "RevisionUnknown"})


class Failure(click.ClickException):
    """Ends the command with the exit code ``code``; ``str`` of it is for people."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def translated(show_bugs: bool) -> Iterator[None]:
    """Whatever the product raises on purpose becomes a Failure, and so does a bug, unless ``show_bugs``."""
    try:
        yield
    except ReconcilerError as error:
        if show_bugs:
            raise
        raise Failure(told(error), exit_code_of(error)) from error
    except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
        raise
    except Exception as error:
        if show_bugs:
            raise
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise Failure(
                "no space is left where this writes to, the output included: free some, and try again"
            ) from error
        raise Failure(
            f"unexpected {type(error).__name__}: {error or 'no message'}\n"
            "This is a mistake in reconciler. Please report it, with what `reconciler --debug ...` prints."
        ) from error


def told(error: ReconcilerError) -> str:
    """The error in words; several problems of a user's files one a line."""
    if isinstance(error, InvalidInputError) and len(error.problems) > 1:
        listed = "\n".join(f"  {problem}" for problem in error.problems)
        return f"{len(error.problems)} problems:\n{listed}"
    return str(error)


def exit_code_of(error: ReconcilerError) -> int:
    if error.reason == "Interrupted":
        return INTERRUPTED
    return WRONG_USE if error.reason in _WRONG_USE else FAILED


def say(error: click.ClickException) -> None:
    """On standard error, in our form rather than click's."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return
    message = error.format_message()
    click.secho("error: ", fg="red", bold=True, err=True, nl=False, color=_colour_of_errors())
    click.echo(f"{message}{_before_the_command(error)}", err=True)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"How it is used: {error.ctx.command_path} --help", err=True)


def _before_the_command(error: click.ClickException) -> str:
    """Where the option is one of the program's own, which stand before the command's name."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return ""
    program = error.ctx.find_root()
    own = next((option for option in program.command.params if error.option_name in option.opts), None)
    if own is None:
        return ""
    value = f" {own.make_metavar(program)}" if not getattr(own, "is_flag", False) else ""
    command = error.ctx.command_path.removeprefix(program.command_path)
    return f" It stands before the command: {program.command_path} {error.option_name}{value}{command}"


def _colour_of_errors() -> bool | None:
    """None leaves it to click: colours where standard error is a terminal."""
    from reconciler.cli.output import no_colour

    return False if no_colour() else None
