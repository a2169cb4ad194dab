"""The program ``reconciler``: its options, its commands, and what a person sees when something goes wrong.

Each command lives in a module of its kind, which is only imported when the command is called: asking for the status
must not wait until the SDKs of Docker and Git are loaded.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from reconciler.cli.errors import INTERRUPTED, Failure, say, translated
from reconciler.cli.options import DEFAULT_ROOT, Options

# In the order in which the help lists them: heading, then the commands with the modules that they live in.
_GROUPS: dict[str, dict[str, str]] = {
    "Set up": {"init": "init", "check": "check", "adopt": "adopt"},
    "Run": {"run": "run", "once": "once", "recover": "recover"},
    "Look": {
        "get": "get",
        "diff": "diff",
        "build": "build",
        "history": "history",
        "events": "events",
        "certs": "certs",
        "backup": "backup",
        "hooks": "hooks",
        "env": "env",
        "trace": "trace",
        "wait": "wait",
    },
    "Act": {
        "reconcile": "ask",
        "rollback": "rollback",
        "approve": "ask",
        "suspend": "ask",
        "resume": "ask",
        "action": "action",
        "secrets": "secrets",
    },
}
_MODULES = {name: module for group in _GROUPS.values() for name, module in group.items()}


class _Commands(click.Group):
    """Loads commands when they are needed, and lets no traceback reach a person."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _MODULES.get(cmd_name)
        if module is None:
            return None
        found: click.Command = getattr(importlib.import_module(f"reconciler.cli.{module}"), cmd_name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in _MODULES:
            from reconciler.planning.nearest import did_you_mean

            raise click.UsageError(f'there is no command "{args[0]}"{did_you_mean(args[0], _MODULES)}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in _GROUPS.items():
            commands = ((name, self.get_command(ctx, name)) for name in names)
            with formatter.section(heading):
                formatter.write_dl([(name, found.get_short_help_str(90)) for name, found in commands if found])

    def invoke(self, ctx: click.Context) -> Any:
        with translated(show_bugs=ctx.params["debug"]):
            return super().invoke(ctx)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Always ends the process, with the exit code that the command returned (docs/exit-codes.md)."""
        _never_fail_to_print()
        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            say(error)
            sys.exit(error.code if isinstance(error, Failure) else error.exit_code)
        except click.Abort:
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)
        sys.exit(status if isinstance(status, int) else 0)


def _never_fail_to_print() -> None:
    """A character that the terminal does not know must not end a rollout."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"reconciler {version('reconciler')}")
        ctx.exit()


@click.command(
    cls=_Commands,
    name="reconciler",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Exit codes: 0 done, 1 it went wrong, 2 wrong usage or configuration; `wait` and others know more: "
    "see docs/exit-codes.md. Example: reconciler --root /srv/reconciler get",
)
@click.option(
    "--root",
    envvar="RECONCILER_ROOT",
    default=DEFAULT_ROOT,
    show_default=True,
    show_envvar=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The root folder of this host.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log more, on standard error.")
@click.option("--debug", is_flag=True, help="Log everything, and show the traceback of an unexpected error.")
@click.pass_context
def cli(ctx: click.Context, root: Path, verbose: bool, debug: bool) -> None:
    """Keep the containers of this host equal to what a Git repository says."""
    try:
        place = os.path.abspath(root)
    except FileNotFoundError as error:
        raise Failure("the folder that you stand in is gone: cd to another one") from error
    ctx.obj = Options(root=Path(place), verbose=verbose, debug=debug)


def main() -> None:
    cli.main(prog_name="reconciler")
