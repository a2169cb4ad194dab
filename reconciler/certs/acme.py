"""What Traefik's ACME file holds, that file without some names, and when a domain is tried again.

Pure. The file's shape is Traefik's own (``{resolver: {"Account": …, "Certificates": [{"domain": {"main", "sans"},
"certificate", "key"}]}}``); what is not touched stays byte for byte the same value.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

ORDER_LASTS_S = 90.0  # an order that has not led to a certificate by then has failed
_FIRST_PAUSE_S = 30.0
_LONGEST_PAUSE_S = 6 * 3600.0
_COLOUR = re.compile(r"\x1b?\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate that a resolver obtained. ``not_before``, ``not_after``: seconds since the epoch."""

    resolver: str
    domains: tuple[str, ...]
    fingerprint: str
    issuer: str
    not_after: float
    not_before: float = 0.0


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
    by_resolver = _by_resolver(_parsed(content))
    read = (_held(resolver, entry) for resolver, (_, entries) in by_resolver.items() for entry in entries)
    return tuple(found for found in read if found is not None)


def without(content: bytes, is_taken: Callable[[str], bool]) -> bytes:
    """``content`` without every certificate that has a name for which ``is_taken``; equal if there is none."""
    data = _parsed(content)
    changed = False
    for own, certificates in _by_resolver(data).values():
        kept = [entry for entry in certificates if not any(is_taken(name) for name in _names(entry))]
        if len(kept) < len(certificates):
            own["Certificates"], changed = kept, True
    return json.dumps(data, indent=2).encode() if changed else content


def next_trial(trial: Trial, *, is_held: bool, now: float, has_failed: bool = False) -> Trial:
    """One order at a time, each given ``ORDER_LASTS_S``, after a failure ever later: the CA counts failures.

    ``has_failed``: the proxy says so already. Pauses of 30 s, 90 s, 4.5 minutes …, at most 6 hours, keep us within Let's
    Encrypt's five failed validations an hour.
    """
    if is_held:
        return Trial(trial.domain)
    if trial.began_at is None:
        return trial if now < trial.next_at else Trial(trial.domain, trial.attempts + 1, now)
    if now - trial.began_at < ORDER_LASTS_S and not has_failed:
        return trial
    return given_up(trial, now)


def given_up(trial: Trial, now: float) -> Trial:
    """An order that ends without a certificate has failed, whoever ended it: the CA may have tried to validate by then."""
    if trial.began_at is None:
        return trial
    pause = min(_FIRST_PAUSE_S * 3 ** min(trial.attempts - 1, 20), _LONGEST_PAUSE_S)
    return Trial(trial.domain, trial.attempts, None, now + pause)


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        data = json.loads(content or b"{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _by_resolver(data: Mapping[str, Any]) -> dict[str, tuple[dict[str, Any], list[Any]]]:
    """What each holds, and its certificates; whatever has another shape than Traefik's is passed over."""
    found = {}
    for resolver, own in data.items():
        if isinstance(own, dict) and isinstance(own.get("Certificates"), list):
            found[resolver] = own, own["Certificates"]
    return found


def _names(entry: Any) -> tuple[str, ...]:
    domain = entry.get("domain") if isinstance(entry, dict) else None
    if not isinstance(domain, dict):
        return ()
    others = domain.get("sans")
    names = (domain.get("main"), *(others if isinstance(others, list) else ()))
    return tuple(name.lower() for name in names if isinstance(name, str) and name)


def _held(resolver: str, entry: Any) -> Held | None:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        leaf = x509.load_pem_x509_certificates(b64decode(entry["certificate"]))[0]
        return Held(
            resolver=resolver,
            domains=_names(entry),
            fingerprint=leaf.fingerprint(SHA256()).hex(),
            issuer=leaf.issuer.rfc4514_string(),
            not_after=leaf.not_valid_after_utc.timestamp(),
            not_before=leaf.not_valid_before_utc.timestamp(),
        )
    except (KeyError, ValueError, TypeError):
        return None


def last_words(log: str, domain: str) -> str:
    """What a proxy said last of ordering for the domain; "" if nothing."""
    lines = [line for line in _plain(log) if domain in line and "acme" in line.lower()]
    return lines[-1].strip() if lines else ""


def says_it_failed(log: str, domain: str, since: float) -> bool:
    """Whether a line of Traefik's log, written after ``since`` (seconds since the epoch), says that an order failed."""
    return any(
        domain in line and "nable to obtain ACME certificate" in line and _written_at(line) >= since
        for line in _plain(log)
    )


def _plain(log: str) -> list[str]:
    """Lines without colours, which Traefik uses unless told otherwise; what introduces them may be gone already."""
    return [_COLOUR.sub("", line) for line in log.splitlines()]


def _written_at(line: str) -> float:
    """The end of the second that the line begins with; 0 where it begins with no time."""
    try:
        return datetime.fromisoformat(line.split(" ", 1)[0].replace("Z", "+00:00")).timestamp() + 1.0
    except ValueError:
        return 0.0
