"""Finds the scripts of an engine: hooks/<engine>/. Runs none of them. Their contract is hooks/README.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from reconciler.model.errors import StalledError

# A link to the top-level folder in a checkout; the files themselves in an installed package.
_FOLDER = Path(__file__).parent.parent / "hook_scripts"
_SCRIPTS = ("dump", "count", "check", "restore", "serve", "ready", "databases", "swap", "drop")


@dataclass(frozen=True, slots=True)
class Engine:
    """The texts of an engine's scripts, by what they do."""

    name: str
    scripts: dict[str, str] = field(repr=False)


def scripts_of(name: str, folder: Path = _FOLDER) -> Engine:
    """Raises StalledError where there is no such engine, or it lacks a script."""
    texts = {}
    for script in _SCRIPTS:
        try:
            texts[script] = (folder / name / script).read_text(encoding="utf-8")
        except OSError as error:
            raise StalledError(
                f"the engine {name} has no script {folder / name / script} ({error.strerror})", reason="NoScript"
            ) from error
    return Engine(name, texts)
