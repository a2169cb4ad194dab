"""How long to wait before the next attempt, or the next look. Chance comes in as a number; nothing here draws one."""

from __future__ import annotations

_SPREAD = 0.05
_MOST_DOUBLINGS = 60  # beyond that any base has long met its cap, and 2**n would leave the range of a float


def delay_s(attempt: int, unit: float, *, base_s: float = 1.0, cap_s: float = 300.0) -> float:
    """Seconds to wait after failed attempt number ``attempt`` (counted from 1): exponential, with jitter.

    ``unit``: a random number in [0, 1). The delay lies in [half, whole) of ``base_s * 2**(attempt - 1)``, the whole
    being at most ``cap_s``. Half is certain, so that a crowd of hosts never hammers at once; half is chance, so that
    it does not come back at once either.
    """
    doublings = min(max(attempt, 1) - 1, _MOST_DOUBLINGS)
    whole = min(cap_s, base_s * 2.0**doublings)
    return whole * (0.5 + 0.5 * unit)


def interval_s(interval: float, unit: float) -> float:
    """``interval`` seconds plus or minus 5 %, so that many hosts do not poll one server in step.

    ``unit``: a random number in [0, 1).
    """
    return interval * (1.0 - _SPREAD + 2.0 * _SPREAD * unit)
