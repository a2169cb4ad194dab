"""What a stack declares for people to run by hand, and how a run of it ended. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """A command for a running container of ``service``.

    ``valid_for_s``: how long what it prints is of use, None where that is not told. ``environment``: names and values that
    it gets besides; ``variables``: names of the stack's variables that it gets, too. ``at_init``: the first start of the
    stack on this host ends with it. ``renews``: the variable of the stack whose new value it is given to read, and brings
    to whatever holds the old one, "" for none; ``check``: tells of a value that it is given whether that one is in use.
    """

    name: str
    service: str
    command: tuple[str, ...]
    description: str = ""
    user: str = ""
    timeout_s: float = 60.0
    valid_for_s: float | None = None
    environment: tuple[tuple[str, str], ...] = ()
    variables: tuple[str, ...] = ()
    at_init: bool = False
    renews: str = ""
    check: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionEnd:
    """How a run ended. ``status``: None where it had to be ended, and ``interrupted`` where somebody asked for that.
    ``began_at``: seconds since the epoch. ``container``: its name."""

    container: str
    status: int | None
    began_at: float
    lasted_s: float
    interrupted: bool = False

    @property
    def worked(self) -> bool:
        return self.status == 0
