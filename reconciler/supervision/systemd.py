"""Installs the unit through systemd's own program. Overwrites nothing; starts only what it is told to."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

from reconciler import files
from reconciler.model.errors import StalledError
from reconciler.supervision.unit import Unit

FOLDER = Path("/etc/systemd/system")
_BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_LIMIT_S = 60.0
_START_S = 330.0  # more than TimeoutStartSec: systemd itself says first what went wrong


def is_there(booted: Path = _BOOTED) -> bool:
    """Whether systemd looks after this host."""
    return booted.is_dir()


def write(unit: Unit, folder: Path = FOLDER) -> bool:
    """Whole, or not at all; False where there is one of this very text. Raises StalledError where there is another, and where it
    cannot be written."""
    path = folder / unit.name
    with suppress(FileNotFoundError, NotADirectoryError):
        if path.read_text(encoding="utf-8") == unit.text:
            return False
        raise StalledError(
            f"{path} is there and says something else, so it is left as it is. To have it made anew: rm {path}, and call "
            "this again; changes of your own belong into a drop-in (systemctl edit)",
            reason="UnitDiffers",
        )
    try:
        files.replace(path, unit.text.encode(), folder, mode=0o644)
    except OSError as error:
        raise StalledError(
            f"{path} cannot be written ({error.strerror}): installing a unit needs root; try again with sudo",
            reason="CannotWrite",
        ) from error
    return True


def enable(unit: Unit) -> None:
    """From the next boot on. Raises StalledError."""
    _systemctl("daemon-reload")
    _systemctl("enable", unit.name)


def start(unit: Unit) -> None:
    """Now; returns when the daemon says that it is ready. Raises StalledError."""
    _systemctl("start", unit.name, within_s=_START_S)


def _systemctl(*words: str, within_s: float = _LIMIT_S) -> None:
    told = f"systemctl {' '.join(words)}"
    try:
        done = subprocess.run(
            ["systemctl", *words],
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StalledError(f"{told} could not be run: {error}", reason="SystemdFailed") from error
    if done.returncode:
        words_of_it = (done.stderr or done.stdout).strip()
        raise StalledError(f"{told} failed: {words_of_it}", reason="SystemdFailed")
