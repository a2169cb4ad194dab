"""``reconciler init``: makes a root folder with its host.yaml. Overwrites nothing, and can be called again."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED, WRONG_USE, Failure
from reconciler.cli.options import Options
from reconciler.layout import Layout

_HOST_YAML = """\
# The settings of this host; never read from Git. Every key is described in schemas/host.schema.json.
# A change counts from the next start of reconciler on.
source:
  url: {url}
  branch: {branch}
{path}  # interval: 60s
  # For ssh:   sshKey: /etc/reconciler/deploy_key, knownHosts: /etc/reconciler/known_hosts
  # For https: username: deploy, passwordFile: /etc/reconciler/token

# Which stacks of the repository run here.
stacks: ["*"]
"""


@click.command(epilog="Example: reconciler init /srv/reconciler --source ssh://git@git.example.com/ops/config.git")
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--source", "url", required=True, metavar="URL", help="The Git repository: ssh, https, file, or a path.")
@click.option("--branch", default="main", show_default=True, help="The branch to follow.")
@click.option("--path", "folder", default="", help="The folder in the repository that holds the stacks.")
@click.pass_obj
def init(_: Options, root: Path, url: str, branch: str, folder: str) -> int:
    """Make ROOT, the root folder of this host, with its host.yaml.

    What is there already is left as it is. Nothing is started, and the repository is not asked yet: `check` does that.
    """
    layout = Layout(Path(os.path.abspath(root)))
    text = _host_yaml(_absolute(url), branch, folder)
    _check(text)
    made = roots.make_folders(layout)
    for found in roots.folders(layout):
        output.line(f"{'made ' if found in made else 'there'}  {found.path}  {found.holds}")
    if _write_new(layout.settings, text):
        output.line(f"made   {layout.settings}  this host's settings")
    else:
        output.line(f"there  {layout.settings}  this host's settings, left as they are")
        return _compare(layout, text)
    named = "" if str(layout.root) == "/srv/reconciler" else f"--root {layout.root} "
    output.line(f"\nNext: reconciler {named}check, then reconciler {named}run")
    return 0


def _absolute(url: str) -> str:
    """A repository that lies here, by the path that stays right wherever one stands."""
    is_here = "://" not in url and not url.startswith("/") and Path(url).is_dir()
    return os.path.abspath(url) if is_here else url


def _host_yaml(url: str, branch: str, folder: str) -> str:
    """Texts are written as JSON, which YAML reads the same, whatever characters are in them."""
    path = f"  path: {json.dumps(folder)}\n" if folder else ""
    return _HOST_YAML.format(url=json.dumps(url), branch=json.dumps(branch), path=path)


def _check(text: str) -> None:
    """Raises Failure before anything is made, where the settings would be refused later."""
    from reconciler.model.errors import InvalidInputError
    from reconciler.settings import load_settings

    try:
        load_settings(text.encode(), "host.yaml")
    except InvalidInputError as error:
        told = "\n".join(f"  {problem.key}: {problem.message}" for problem in error.problems)
        raise Failure(f"this would make a host.yaml that is refused:\n{told}", WRONG_USE) from error


def _write_new(path: Path, text: str) -> bool:
    """Whole, or not at all; False if there is one."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.link(new, path)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        raise Failure(f"{path} cannot be written ({error.strerror})") from error
    finally:
        with suppress(OSError):
            new.unlink()


def _compare(layout: Layout, text: str) -> int:
    """Whoever asked for another source than the one that is there should hear of it."""
    from reconciler.cli.wiring import read_settings
    from reconciler.settings import load_settings

    there, wanted = read_settings(layout).source, load_settings(text.encode(), "host.yaml").source
    names = {"url": "url", "branch": "branch", "path": "path"}
    differing = [name for name in names if getattr(there, name) != getattr(wanted, name)]
    if not differing:
        return 0
    output.complain(
        f"host.yaml says another source.{' and source.'.join(differing)} than was asked for; edit {layout.settings}"
    )
    return FAILED
