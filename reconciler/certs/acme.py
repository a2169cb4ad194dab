"""What Traefik's ACME file holds, that file without some names, and when a domain is tried again.

Pure. The file's shape is Traefik's own (``{resolver: {"Account": …, "Certificates": [{"domain": {"main", "sans"},
"certificate", "key"}]}}``); what is not touched stays byte for byte the same value.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

ORDER_LASTS_S = 90.0  # an order that has not led to a certificate by then has failed
_FIRST_PAUSE_S = 60.0
_LONGEST_PAUSE_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate that a resolver obtained. ``not_after``: seconds since the epoch."""

    resolver: str
    domains: tuple[str, ...]
    fingerprint: str
    issuer: str
    not_after: float


@dataclass(frozen=True, slots=True)
class Trial:
    """How far ordering for a domain has come. ``began_at``: of the order under way, None between two; ``attempts``: orders
    since the last success; ``next_at``: not before. Seconds since the epoch."""

    domain: str
    attempts: int = 0
    began_at: float | None = None
    next_at: float = 0.0


def held(content: bytes) -> tuple[Held, ...]:
    """Of a file that is empty or damaged: nothing, since Traefik reads nothing from it either."""
    return tuple(found for resolver, entry in _entries(content) if (found := _held(resolver, entry)) is not None)


def without(content: bytes, is_taken: Callable[[str], bool]) -> bytes:
    """``content`` without every certificate that has a name for which ``is_taken``; equal if there is none."""
    data = _parsed(content)
    changed = False
    for own in data.values():
        certificates = (own or {}).get("Certificates") or []
        kept = [entry for entry in certificates if not any(is_taken(name) for name in _names(entry))]
        if len(kept) < len(certificates):
            own["Certificates"], changed = kept, True
    return json.dumps(data, indent=2).encode() if changed else content


def next_trial(trial: Trial, *, is_held: bool, now: float) -> Trial:
    """One order at a time, each given ``ORDER_LASTS_S``, after a failure ever later: the CA counts failures.

    A pause of 1, 2, 4 … minutes, at most 6 hours, keeps us under Let's Encrypt's five failed validations an hour.
    """
    if is_held:
        return Trial(trial.domain)
    if trial.began_at is None:
        return trial if now < trial.next_at else Trial(trial.domain, trial.attempts + 1, now)
    if now - trial.began_at < ORDER_LASTS_S:
        return trial
    pause = min(_FIRST_PAUSE_S * 2 ** min(trial.attempts - 1, 20), _LONGEST_PAUSE_S)
    return Trial(trial.domain, trial.attempts, None, now + pause)


def due_in_s(trials: Iterable[Trial], now: float) -> float | None:
    """Until the next of them changes by time alone; None if none does."""
    waits = [(trial.next_at if trial.began_at is None else trial.began_at + ORDER_LASTS_S) - now for trial in trials]
    return max(0.0, min(waits)) if waits else None


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        data = json.loads(content or b"{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _entries(content: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for resolver, own in _parsed(content).items():
        for entry in (own or {}).get("Certificates") or ():
            yield resolver, entry


def _names(entry: Mapping[str, Any]) -> tuple[str, ...]:
    domain = entry.get("domain") or {}
    return tuple(name.lower() for name in (domain.get("main"), *(domain.get("sans") or ())) if name)


def _held(resolver: str, entry: Mapping[str, Any]) -> Held | None:
    try:
        leaf = x509.load_pem_x509_certificates(b64decode(entry["certificate"]))[0]
    except (KeyError, ValueError, TypeError):
        return None
    return Held(
        resolver=resolver,
        domains=_names(entry),
        fingerprint=leaf.fingerprint(SHA256()).hex(),
        issuer=leaf.issuer.rfc4514_string(),
        not_after=leaf.not_valid_after_utc.timestamp(),
    )
