"""Finds the scripts of an engine: hooks/<engine>/. Runs none of them. Their contract is hooks/README.md.

An engine with ``serve`` has a server, which its scripts run inside of. One without works on files: its scripts run beside the
service, in a container of their own with the service's mounts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.backup.containers import Script, Server
from reconciler.model.backup import SCRIPTS, SERVER_SCRIPTS
from reconciler.model.errors import StalledError

# A link to the top-level folder in a checkout; the files themselves in an installed package.
_FOLDER = Path(__file__).parent.parent / "hook_scripts"
_WAITS = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"

Own = Callable[[str], Mapping[str, bytes]]


@dataclass(frozen=True, slots=True)
class Engine:
    """The texts of an engine's scripts, by what they do."""

    name: str
    scripts: Mapping[str, str] = field(repr=False)

    @property
    def has_server(self) -> bool:
        return "serve" in self.scripts

    def script(self, name: str, variables: Mapping[str, str]) -> Script:
        """For the live server or files."""
        return Script(self.scripts[name], variables, name, beside=not self.has_server)

    def thrown_away(self, name: str, variables: Mapping[str, str]) -> Script:
        """For a throwaway container."""
        return Script(self.scripts[name], variables, name)

    def server(self, variables: Mapping[str, str]) -> Server:
        """What a throwaway container of it is."""
        if self.has_server:
            return Server(self.thrown_away("serve", variables), self.thrown_away("ready", variables))
        return Server(Script(_WAITS, {}, "serve"), Script("true", {}, "ready"), user="0:0")


def scripts_of(name: str, own: Own = lambda _: {}, folder: Path = _FOLDER) -> Engine:
    """``own``: the files of a folder of the repository's hooks/, which wins over what is shipped. Raises StalledError where
    there is no such engine, or it lacks a script."""
    found = dict(own(name)) or _shipped(folder / name)
    missing = [script for script in SCRIPTS if script not in found]
    if "serve" in found or "ready" in found:
        missing += [script for script in SERVER_SCRIPTS if script not in found]
    if missing:
        raise StalledError(
            f"the engine {name} lacks the script {missing[0]}: add hooks/{name}/{missing[0]} to the repository"
            if found
            else f"there is no engine {name}: neither is it shipped, nor is there a folder hooks/{name} in the repository",
            reason="NoScript",
        )
    known = (*SCRIPTS, *SERVER_SCRIPTS)
    return Engine(name, {script: found[script].decode(errors="replace") for script in known if script in found})


def _shipped(folder: Path) -> dict[str, bytes]:
    try:
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    except OSError:
        return {}
