"""``reconciler build``: the resolved model of a stack, as Compose gets it, with its secrets hidden."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import roots
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options, at_revision

if TYPE_CHECKING:
    from reconciler.planning.secrets import Mask


@click.command(epilog="Example: reconciler build web --revision HEAD~1")
@click.argument("stack")
@at_revision
@click.option("--no-fetch", is_flag=True, help="Build what was fetched last, without asking the repository.")
@click.option("--show-secrets", is_flag=True, help="Print secret values, too; whoever reads the output can read them.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="How it is written.",
)
@click.pass_obj
def build(options: Options, stack: str, revision: str | None, no_fetch: bool, show_secrets: bool, form: str) -> None:
    """Print the resolved Compose model of a stack; nothing is changed.

    Variables are filled in, tracked files lead to their copies in state/objects, and our labels are there. Secret
    values are printed as (secret).
    """
    from reconciler.cli.wiring import opened
    from reconciler.cli.works import find_works

    layout = roots.layout_of(options.root)
    level = level_of(options, tells_itself=True)
    with opened(layout, log_level=level) as parts:
        host = parts.host(lambda _: None)
        (work,) = find_works(parts, host, stack, revision, fetch=not no_fetch)
        model: Any = host.release(work).model
        if form == "yaml":
            click.echo(f"# rendered from {', '.join(work.manifest.rendered_from)}")
        click.echo(_text(_plain(model) if show_secrets else hidden(model, work.mask), form), nl=False)


def hidden(value: Any, mask: Mask, path: str = "") -> Any:
    """``value``, parts of a model, with every secret in it replaced. ``path``: dotted, where it stands."""
    if isinstance(value, Mapping):
        return {key: hidden(inner, mask, f"{path}.{key}" if path else str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [hidden(inner, mask, path) for inner in value]
    return _hidden(value, mask, path) if isinstance(value, str) else value


def _hidden(text: str, mask: Mask, path: str) -> str:
    from reconciler.planning.secrets import HIDDEN, is_secret_name

    parts = path.split(".")
    if text and _is_variable(parts) and is_secret_name(parts[-1]):
        return HIDDEN
    for secret in mask.values:
        text = text.replace(secret, HIDDEN)
    return text


def _is_variable(parts: list[str]) -> bool:
    """Only there does a name make a secret: the image of a service that is called auth is none."""
    return "environment" in parts[:-1] or "args" in parts[:-1]


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
