"""What commands are given: the options that stand before every name, and those that many of them have behind it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

DEFAULT_ROOT = "/srv/reconciler"
_MOST = 2**63 - 1  # that state.db can hold


@dataclass(frozen=True, slots=True)
class Options:
    """``root``: absolute; whether it is a root at all is for ``roots`` to say."""

    root: Path
    verbose: bool = False
    debug: bool = False


class Duration(click.ParamType[float]):
    """Seconds, written as in the files of the product: ``90s``, ``5m``."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from reconciler.model.duration import parse_duration

        if isinstance(value, float):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(f'"{value}": {error}', param, ctx)


class Number(click.IntRange):
    """Of a release, an event or lines, from ``least`` on."""

    def __init__(self, least: int) -> None:
        super().__init__(min=least)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if found > _MOST:
            self.fail(f"{value} is larger than any number here.", param, ctx)
        return found


as_json = click.option("-o", "--output", "form", type=click.Choice(["json"]), help="JSON for programs.")
at_revision = click.option(
    "--revision", metavar="R", help="A commit, tag or branch instead of the newest commit of the branch."
)
no_fetch = click.option("--no-fetch", is_flag=True, help="What was fetched last, without asking the repository.")
timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=Duration(),
    default="5m",
    show_default=True,
    metavar="DURATION",
    help="How long to wait, such as 90s or 5m.",
)
