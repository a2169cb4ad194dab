"""Every error the product raises on purpose, and whether time or a person mends it.

Adapters translate what their SDK raises into one of these, once, with ``raise ... from error``. A pass catches
``ReconcilerError`` around a step and around a stack; anything else is a bug and is logged whole.
"""

from __future__ import annotations

from dataclasses import dataclass


class ReconcilerError(Exception):
    """The root of the tree. ``str(error)`` says what happened, where, and how to mend it, without any secret.

    ``reason`` is the CamelCase word of the ``Ready`` condition (as Flux has it: ``FetchFailed``, ``BuildFailed``, ...).
    """

    reason = "Failed"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        if reason is not None:
            self.reason = reason


class WaitingError(ReconcilerError):
    """Time can mend it: it is tried again, after ``retry_after_s`` seconds where the raiser knows better."""

    def __init__(self, message: str, *, reason: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, reason=reason)
        self.retry_after_s = retry_after_s


class StalledError(ReconcilerError):
    """Only a person or a commit can mend it: it is not tried again until an input changes."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a file that a user wrote. ``line`` counts from 1; 0 where no line can be named."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class InvalidInputError(StalledError):
    """Files that users wrote are wrong; all problems at once."""

    reason = "InvalidConfiguration"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class SourceError(WaitingError):
    """Git could not be reached or read; what runs goes on from the last good revision."""

    reason = "FetchFailed"


class EngineUnavailableError(WaitingError):
    """The Docker engine does not answer."""

    reason = "EngineUnavailable"
