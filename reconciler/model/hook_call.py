"""One run of a hook: all that it needs, and how it ended. Values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.model.desired import Release
from reconciler.model.hook import Attempt, Hook
from reconciler.model.manifest import Manifest


@dataclass(frozen=True, slots=True)
class HookCall:
    """All that running a hook needs. ``model``: the release's, for Compose, and ``environment`` what Compose gets;
    ``variables``: the stack's own, for URLs. ``told`` takes a line for people, ``stop`` says why to end at once ("" to go
    on), ``clean`` takes the stack's secrets out of a text.
    """

    hook: Hook
    attempt: Attempt
    cut_short: bool
    manifest: Manifest
    release: Release
    model: Path
    environment: Mapping[str, str] = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)
    told: Callable[[str], None]
    stop: Callable[[], str]
    clean: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class HookEnd:
    """How it ended. ``exit_code``: of its program, None where there is none. ``output``: the end of what it said, clean.
    ``fault``: why it counts as failed, "" where it worked. ``interrupted``: it was ended because ``stop`` asked for it.
    """

    exit_code: int | None
    output: str = ""
    fault: str = ""
    interrupted: bool = False
