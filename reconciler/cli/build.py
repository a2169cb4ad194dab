"""``reconciler build``: the resolved model of a stack, as Compose gets it, with its secrets hidden."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import roots
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options

if TYPE_CHECKING:
    from reconciler.planning.secrets import Mask


@click.command(epilog="Example: reconciler build web --revision HEAD~1")
@click.argument("stack")
@click.option("--revision", metavar="R", help="A commit, tag or branch instead of the newest commit of the branch.")
@click.option("--no-fetch", is_flag=True, help="Build what was fetched last, without asking the repository.")
@click.option("--show-secrets", is_flag=True, help="Print secret values, too; whoever reads the output can read them.")
@click.option("-o", "--output", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True, help="")
@click.pass_obj
def build(options: Options, stack: str, revision: str | None, no_fetch: bool, show_secrets: bool, form: str) -> None:
    """Print the resolved Compose model of a stack; nothing is changed.

    Variables are filled in, tracked files lead to their copies in state/objects, and our labels are there. Secret
    values are printed as (secret).
    """
    from reconciler.cli.wiring import opened
    from reconciler.cli.works import find_works

    layout = roots.layout_of(options.root)
    level = level_of(verbose=options.verbose, debug=options.debug, default=logging.ERROR)
    with opened(layout, log_level=level) as parts:
        host = parts.host(lambda _: None)
        (work,) = find_works(parts, host, stack, revision, fetch=not no_fetch)
        model: Any = host.release(work).model
        click.echo(_text(_plain(model) if show_secrets else hidden(model, work.mask), form), nl=False)


def hidden(value: Any, mask: Mask, path: str = "") -> Any:
    """``value``, parts of a model, with every secret in it replaced. ``path``: dotted, where it stands."""
    from reconciler.planning.secrets import HIDDEN

    if isinstance(value, Mapping):
        return {
            mask.clean(str(key)): hidden(inner, mask, f"{path}.{key}" if path else str(key))
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [hidden(inner, mask, path) for inner in value]
    if isinstance(value, str):
        return HIDDEN if value and mask.hides(path, value) and _is_value(path) else mask.clean(value)
    return value


def _is_value(path: str) -> bool:
    """By its name alone only a variable or the text of a config is a secret: ``services.auth.image`` is none."""
    parts = path.split(".")
    return "environment" in parts[:-1] or "args" in parts[:-1] or parts[-1] == "content"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _text(model: Any, form: str) -> str:
    if form == "json":
        return json.dumps(model, indent=2, ensure_ascii=False) + "\n"
    import yaml

    return yaml.safe_dump(model, sort_keys=False, allow_unicode=True, width=120)
