"""What one pass over one stack is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.model.desired import Release
from reconciler.model.errors import Problem
from reconciler.model.manifest import Manifest
from reconciler.model.source import Revision
from reconciler.planning.secrets import Mask
from reconciler.ports.engine import Progress


def _never() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Work:
    """One pass over one stack: what it is about.

    ``revision``: what Git says, None while it was never fetched. ``problems``: why its files cannot be read. ``gone``:
    it is no longer in Git, or not for this host: ``gone_because``. ``waits_for``: a stack it depends on that is not ready. ``forced``: a person wants
    it now, quarantine and patience aside. ``hurried``: what an attempt failed for may be there now, patience aside.
    ``past_windows``: a person wants it now, windows aside.
    ``newer``: while a release is not getting healthy, why nobody waits for it any more; "" where somebody does.
    ``variables``: the stack's own, from its tracked files and the host's, for the URLs of hooks. ``warnings``: what may be a
    slip among them. ``left``: the releases of stacks that left Git as this one came.
    """

    name: str
    manifest: Manifest
    revision: Revision | None = None
    problems: tuple[Problem, ...] = ()
    gone: bool = False
    gone_because: str = "its folder is no longer in Git"
    waits_for: str = ""
    forced: bool = False
    hurried: bool = False
    past_windows: bool = False
    asked_by: str = ""
    mask: Mask = field(default_factory=Mask, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    warnings: tuple[Problem, ...] = ()
    left: tuple[Release, ...] = ()
    progress: Progress = field(default=lambda _: None)
    stop: Callable[[], str] = field(default=_never)
    newer: Callable[[], str] = field(default=_never)

    @property
    def commit(self) -> str:
        """What Git says, "" while it was never fetched."""
        return self.revision.commit if self.revision is not None else ""

    @property
    def patient(self) -> Work:
        """What is waited for is waited for, whatever Git says meanwhile."""
        return replace(self, newer=_never)
