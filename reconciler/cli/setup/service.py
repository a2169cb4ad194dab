"""The service that keeps the daemon running: systemd's, written and enabled; or one clear line where there is no systemd."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import output, roots
from reconciler.cli.errors import Failure

if TYPE_CHECKING:
    from reconciler.layout import Layout
    from reconciler.supervision.unit import Unit


def install(layout: Layout) -> Unit | None:
    """Enabled, so that it starts with the host; not started. None where there is no systemd. Raises StalledError, Failure."""
    from reconciler.supervision import systemd
    from reconciler.supervision.unit import unit_of

    if not systemd.is_there():
        output.complain(
            "there is no systemd on this host, so no service was installed: let your own supervisor run "
            f"`reconciler --root {layout.root} run`, and start it again whenever it ends"
        )
        return None
    unit = unit_of(layout.root, _program(), _owner(layout), systemd.FOLDER)
    is_new = systemd.write(unit, systemd.FOLDER)
    systemd.enable(unit)
    path = systemd.FOLDER / unit.name
    output.line(f"{'made ' if is_new else 'there'}  {path}  enabled: it starts with the host")
    output.line(f"       to take it away: systemctl disable --now {unit.name} && rm {path}")
    return unit


def _owner(layout: Layout) -> str:
    """Whoever owns the state must run what writes it."""
    return roots.user_name(layout.state.stat().st_uid)


def _program() -> Path:
    """The installed program: as it was called, beside the Python that runs it, or as it is found."""
    for known in (Path(sys.argv[0]), Path(sys.executable).with_name("reconciler")):
        if known.name == "reconciler" and known.is_file():
            return known.absolute()
    found = shutil.which("reconciler")
    if found is None:
        raise Failure("the program reconciler is not on the PATH, so no service can be told to start it")
    return Path(found).absolute()
