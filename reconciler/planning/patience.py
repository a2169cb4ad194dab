"""How often and how soon something that failed, or came undone again, is tried anew. The clock comes in as a number."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.planning.backoff import delay_s

MOST_ATTEMPTS = 10
FORGOTTEN_AFTER_S = 900.0  # quiet for so long: the next time is a first time


@dataclass(frozen=True, slots=True)
class Patience:
    """``subject``: what was tried (a release's digest, a plan's text); another subject starts afresh.

    ``not_before``: monotonic seconds.
    """

    subject: str = ""
    attempts: int = 0
    last: float = 0.0
    not_before: float = 0.0
    why: str = ""

    def remaining_s(self, subject: str, now: float) -> float:
        """Seconds until ``subject`` may be tried again; infinity if it was tried often enough."""
        if subject != self.subject or now - self.last > FORGOTTEN_AFTER_S:
            return 0.0
        if self.attempts >= MOST_ATTEMPTS:
            return float("inf")
        return max(0.0, self.not_before - now)

    @property
    def due_at(self) -> float:
        """When ``subject`` may be tried again, monotonic seconds; infinity if it was tried often enough."""
        return float("inf") if self.attempts >= MOST_ATTEMPTS else self.not_before

    def after(self, subject: str, now: float, unit: float, why: str = "", at_least_s: float = 0.0) -> Patience:
        """One more attempt was made. ``unit``: a random number in [0, 1)."""
        known = subject == self.subject and now - self.last <= FORGOTTEN_AFTER_S
        attempts = self.attempts + 1 if known else 1
        wait = max(at_least_s, delay_s(attempts, unit))
        return Patience(subject, attempts, now, now + wait, why)
