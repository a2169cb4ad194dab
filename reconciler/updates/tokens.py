"""Tokens that registries want: where one is given is told by the registry's own refusal (WWW-Authenticate)."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from reconciler.model.errors import StalledError, WaitingError
from reconciler.ports.clock import Clock
from reconciler.updates.credentials import Login

_LASTS_S = 60.0  # where nothing is said, as the specification has it
_MARGIN_S = 10.0
_KEPT = 256
_PART = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Challenge:
    """``kind``: bearer, basic or "" for none. ``realm``: where tokens are given."""

    kind: str
    realm: str = ""
    service: str = ""

    @classmethod
    def of(cls, header: str) -> Self:
        kind, _, rest = header.strip().partition(" ")
        parts = dict(_PART.findall(rest))
        return cls(kind.lower(), parts.get("realm", ""), parts.get("service", ""))


@dataclass(frozen=True, slots=True)
class _Kept:
    header: str = field(repr=False)
    until: float


class Tokens:
    """``send``: method, URL, headers, the Authorization header, registry, form; and an answer."""

    def __init__(self, clock: Clock, send: Callable[..., Any]) -> None:
        self._clock = clock
        self._send = send
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str, Login], _Kept] = {}

    def known(self, registry: str, scope: str, login: Login) -> str:
        """The Authorization header that worked before and still counts; "" where there is none."""
        with self._lock:
            found = self._kept.get((registry, scope, login))
        return found.header if found is not None and found.until > self._clock.monotonic() else ""

    def fetch(self, registry: str, scope: str, login: Login, challenge: Challenge) -> str:
        """Raises WaitingError, StalledError."""
        header, lasts_s = self._asked(registry, scope, login, challenge)
        with self._lock:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[(registry, scope, login)] = _Kept(header, self._clock.monotonic() + lasts_s)
        return header

    def _asked(self, registry: str, scope: str, login: Login, challenge: Challenge) -> tuple[str, float]:
        if challenge.kind == "basic":
            return _basic(login), 3600.0
        if challenge.kind != "bearer" or not challenge.realm:
            raise StalledError(f"{registry} wants a login of a kind that is not known here", reason="RegistryDenied")
        if login != Login() and urlsplit(challenge.realm).scheme != "https" and not _is_here(challenge.realm):
            raise StalledError(
                f"{registry} wants the password sent to {challenge.realm}, unencrypted; it is not sent",
                reason="RegistryDenied",
            )
        asked = {"service": challenge.service, "scope": scope}
        if login.token:
            form = {**asked, "grant_type": "refresh_token", "refresh_token": login.token, "client_id": "reconciler"}
            answer = self._send("POST", challenge.realm, {}, "", registry, form)
        else:
            joint = "&" if "?" in challenge.realm else "?"
            answer = self._send("GET", f"{challenge.realm}{joint}{urlencode(asked)}", {}, _basic(login), registry)
        return _read(registry, answer)


def _read(registry: str, answer: Any) -> tuple[str, float]:
    if answer.status == 429:
        raise WaitingError(f"{registry} gives no token just now: too many requests", reason="RateLimited")
    if answer.status in (400, 401, 403):
        raise StalledError(
            f"{registry} refuses the login: as the user that runs reconciler, docker login {registry}",
            reason="RegistryDenied",
        )
    try:
        content = json.loads(answer.body)
        token = content.get("token") or content["access_token"]
        lasts_s = float(content.get("expires_in") or _LASTS_S)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        message = f"{registry} gives no token: it answers {answer.status}"
        raise WaitingError(message, reason="RegistryUnavailable") from error
    return f"Bearer {token}", max(0.0, lasts_s - _MARGIN_S)


def _basic(login: Login) -> str:
    if not login.user:
        return ""
    return "Basic " + base64.b64encode(f"{login.user}:{login.password}".encode()).decode()


def _is_here(url: str) -> bool:
    return (urlsplit(url).hostname or "") in ("localhost", "127.0.0.1", "::1")
