"""The folders of a root and its host.yaml: made where they are missing, and left as they are where they are there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED, WRONG_USE, Failure
from reconciler.cli.setup import source as sources
from reconciler.cli.setup.source import SourceWanted, host_yaml
from reconciler.layout import Layout


def make(layout: Layout, source: SourceWanted, *, asks: bool) -> int:
    """``asks``: a person may be asked for the source. The exit code: 1 where host.yaml says something else than ``source``."""
    is_there = layout.settings.exists()
    made: tuple[roots.Folder, ...] = ()
    if not source.url and not is_there:
        if not asks:
            raise Failure(
                "say which repository: --source URL (at a terminal, `reconciler init` alone asks for it)", WRONG_USE
            )
        made = roots.make_folders(layout)  # first: somebody who may not write here should not answer in vain
        source = sources.ask(layout, source)
    elif source.url:
        sources.check(source)
    made = (*made, *roots.make_folders(layout))
    for found in roots.folders(layout):
        output.line(f"{'made ' if found in made else 'there'}  {found.path}  {found.holds}")
    if source.url and _write_new(layout.settings, host_yaml(source)):
        output.line(f"made   {layout.settings}  this host's settings")
        return 0
    output.line(f"there  {layout.settings}  this host's settings, left as they are")
    return _compare(layout, source) if source.url else 0


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


def _compare(layout: Layout, asked: SourceWanted) -> int:
    """Whoever asked for another source than the one that is there should hear of it."""
    from reconciler.cli.wiring import read_settings
    from reconciler.settings import load_settings

    there, wanted = read_settings(layout).source, load_settings(host_yaml(asked).encode(), "host.yaml").source
    differing = [name for name in ("url", "branch", "path") if getattr(there, name) != getattr(wanted, name)]
    if not differing:
        return 0
    output.complain(
        f"host.yaml says another source.{' and source.'.join(differing)} than was asked for; edit {layout.settings}"
    )
    return FAILED
