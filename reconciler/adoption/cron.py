"""The lines of cron that call an old project's scripts: one of them left behind would bring the old containers up again, on the
database that the new ones use. Finds them, takes them out, and puts them back.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reconciler import files
from reconciler.adoption.model import CRONTAB, CronLine
from reconciler.model.errors import StalledError

_LIMIT_S = 10.0
_PLACES = ("/etc/crontab", "/etc/cron.d")


def calling(text: str, folder: str) -> tuple[str, ...]:
    """The lines of a crontab that name something below ``folder`` and are no comment."""
    named = re.compile(rf"(?<![\w./-]){re.escape(folder.rstrip('/'))}(?![\w.-])")
    return tuple(line for line in text.splitlines() if not line.lstrip().startswith("#") and named.search(line))


def without(text: str, lines: Iterable[str]) -> str:
    gone = frozenset(lines)
    return "".join(line for line in text.splitlines(keepends=True) if line.rstrip("\n") not in gone)


def with_lines(text: str, lines: Iterable[str]) -> str:
    """Those that are not there come to the end."""
    there = frozenset(text.splitlines())
    missing = [line for line in lines if line not in there]
    if not missing:
        return text
    return text + ("" if not text or text.endswith("\n") else "\n") + "".join(f"{line}\n" for line in missing)


@dataclass(frozen=True, slots=True)
class Cron:
    """``places``: files and folders of crontabs besides that of whoever runs this."""

    staging: Path
    places: tuple[str, ...] = _PLACES

    def lines(self, folder: str) -> tuple[CronLine, ...]:
        own = (CronLine(CRONTAB, line) for line in calling(_crontab(), folder))
        return (*own, *(CronLine(str(path), line) for path, text in self._files() for line in calling(text, folder)))

    def remove(self, lines: Iterable[CronLine]) -> None:
        """Fine if they are gone. Raises StalledError, WaitingError."""
        for place, mine in _by_place(lines):
            self._change(place, partial(without, lines=mine))

    def put_back(self, lines: Iterable[CronLine]) -> None:
        """Fine if they are there. Raises StalledError, WaitingError."""
        for place, mine in _by_place(lines):
            self._change(place, partial(with_lines, lines=mine))

    def _files(self) -> Iterator[tuple[Path, str]]:
        for place in map(Path, self.places):
            paths = sorted(place.iterdir()) if place.is_dir() else [place]
            for path in paths:
                if path.is_file() and not path.name.startswith("."):
                    yield path, path.read_text(errors="surrogateescape")

    def _change(self, place: str, change: Callable[[str], str]) -> None:
        before = (
            _crontab() if place == CRONTAB else (files.content_of(Path(place)) or b"").decode(errors="surrogateescape")
        )
        after = change(before)
        if after == before:
            return
        if place == CRONTAB:
            _set_crontab(after)
            return
        mode = stat.S_IMODE(os.stat(place).st_mode) if os.path.exists(place) else 0o644
        files.put(Path(place), after.encode(errors="surrogateescape"), self.staging, mode=mode)


def _by_place(lines: Iterable[CronLine]) -> Iterator[tuple[str, tuple[str, ...]]]:
    lines = tuple(lines)
    for place in dict.fromkeys(entry.place for entry in lines):
        yield place, tuple(entry.line for entry in lines if entry.place == place)


def _crontab() -> str:
    """Nothing where there is no cron, or nobody has written any."""
    program = shutil.which("crontab")
    if program is None:
        return ""
    done = subprocess.run([program, "-l"], capture_output=True, timeout=_LIMIT_S, check=False)
    return done.stdout.decode(errors="surrogateescape") if done.returncode == 0 else ""


def _set_crontab(text: str) -> None:
    program = shutil.which("crontab") or "crontab"
    done = subprocess.run(
        [program, "-"], input=text.encode(errors="surrogateescape"), capture_output=True, timeout=_LIMIT_S, check=False
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise StalledError(f"the crontab cannot be changed: {said}; edit it with crontab -e", reason="CronRefused")
