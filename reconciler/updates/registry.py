"""Asks registries which tags there are and which image each means, by the HTTP API (v2). Never pulls a layer.

What was asked before is asked conditionally: an unchanged answer costs a header. Decides nothing and retries nothing.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase

from reconciler.model.errors import ReconcilerError, StalledError, WaitingError
from reconciler.planning.image_reference import DOCKER_HUB, ImageReference
from reconciler.ports.clock import Clock
from reconciler.recent import Recent
from reconciler.updates.credentials import Login, authority_of, is_insecure, login_at
from reconciler.updates.tokens import Challenge, Tokens

_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",  # of several platforms, first: its digest is what the engine pulls
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_TIMEOUT_S = (5.0, 20.0)
_MOST_BYTES = 8 * 1024 * 1024
_MOST_PAGES = 200
_PAGE = 1000
_KEPT = 64  # answers that are asked for conditionally
_KEPT_BYTES = 512 * 1024  # of each
_AFTER_LIMIT_S = (60.0, 6 * 3600.0)  # whatever Retry-After says
_HUB = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Any
    body: bytes = field(default=b"", repr=False)


class _Plain(AuthBase):
    """Sends the header that is given, and keeps requests from looking for logins of its own in ~/.netrc."""

    def __init__(self, header: str) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._header:
            request.headers["Authorization"] = self._header
        return request


class HttpRegistry:
    """The ``Registry`` port. Safe to use from several threads."""

    def __init__(self, clock: Clock, login: Callable[[str], Login] = login_at) -> None:
        self._clock = clock
        self._login = login
        self._session = requests.Session()
        self._lock = threading.Lock()
        self._tokens = Tokens(clock, self._send)
        self._schemes: dict[str, str] = {}
        self._known: Recent[str, tuple[str, bytes, str]] = Recent(_KEPT)  # by URL: ETag, body, Link

    def digest(self, image: ImageReference, tag: str) -> str:
        """What ``tag`` means: the digest of the index where there are several platforms.

        Raises WaitingError (RegistryUnavailable, RateLimited, TagNotFound), StalledError (RegistryDenied).
        """
        path = f"/v2/{image.path}/manifests/{tag}"
        found = self._ask("HEAD", image, path).headers.get("Docker-Content-Digest", "")
        if not found:  # a few registries leave it out, but all agree on what it is
            found = _digest_of(image, self._ask("GET", image, path).body)
        return str(found)

    def tags(self, image: ImageReference) -> tuple[str, ...]:
        """All of the repository's. Raises as ``digest`` does."""
        return tuple(self._all_tags(image))

    def close(self) -> None:
        self._session.close()

    def _all_tags(self, image: ImageReference) -> Iterator[str]:
        path = f"/v2/{image.path}/tags/list?n={_PAGE}"
        for _ in range(_MOST_PAGES):
            answer = self._ask("GET", image, path)
            try:
                content = json.loads(answer.body)
                yield from (str(tag) for tag in content.get("tags") or ())
            except (ValueError, AttributeError) as error:
                raise _unusable(image, "its list of tags is no JSON") from error
            following = requests.utils.parse_header_links(answer.headers.get("Link", "") or "")
            link = next((entry["url"] for entry in following if entry.get("rel") == "next"), "")
            if not link:
                return
            there = urlsplit(urljoin(path, link))  # of the very same registry, whatever host it names
            path = f"{there.path}?{there.query}"
        raise _unusable(image, f"its list of tags has more than {_MOST_PAGES} pages")

    def _ask(self, method: str, image: ImageReference, path: str) -> Answer:
        """Logged in as far as the registry wants it: a token that it no longer takes is asked for anew, once."""
        login = self._login(image.registry)
        scope = f"repository:{image.path}:pull"
        known = self._tokens.known(image.registry, scope, login)
        answer = self._conditionally(method, image, path, known)
        if answer.status == 401:
            challenge = Challenge.of(answer.headers.get("WWW-Authenticate", ""))
            header = self._tokens.fetch(image.registry, scope, login, challenge)
            answer = self._conditionally(method, image, path, header)
        if answer.status != 200:
            raise self._refusal(answer, image, path, login)
        return answer

    def _conditionally(self, method: str, image: ImageReference, path: str, header: str) -> Answer:
        url = f"{self._base(image.registry)}{path}"
        headers = {"Accept": _MANIFESTS} if "/manifests/" in path else {}
        key = f"{method} {url}"
        known = self._known.get(key)
        if known is not None:
            headers["If-None-Match"] = known[0]
        answer = self._send(method, url, headers, header, image.registry)
        if answer.status == 304 and known is not None:
            etag, body, link = known
            return Answer(200, {"Docker-Content-Digest": etag.strip('"'), "Link": link, "ETag": etag}, body)
        self._remember(key, method, answer)
        return answer

    def _remember(self, key: str, method: str, answer: Answer) -> None:
        """Only an ETag that says all that is asked for: of a manifest, its digest."""
        etag, digest = answer.headers.get("ETag", ""), answer.headers.get("Docker-Content-Digest", "")
        if answer.status != 200 or not etag or (method == "HEAD" and etag.strip('"') != digest):
            return
        if len(answer.body) > _KEPT_BYTES:
            return
        self._known.put(key, (etag, answer.body, answer.headers.get("Link", "") or ""))

    def _base(self, registry: str) -> str:
        """http only where the engine would take it, too, and only after https was refused."""
        host = _HUB if registry == DOCKER_HUB else registry
        if not is_insecure(registry):
            return f"https://{host}"
        with self._lock:
            scheme = self._schemes.get(registry)
        if scheme is None:
            scheme = self._scheme_of(host, registry)
            with self._lock:
                self._schemes[registry] = scheme
        return f"{scheme}://{host}"

    def _scheme_of(self, host: str, registry: str) -> str:
        try:
            with closing(self._session.get(f"https://{host}/v2/", timeout=_TIMEOUT_S, auth=_Plain(""), stream=True,
                                           verify=authority_of(registry) or True)):  # fmt: skip
                return "https"
        except requests.exceptions.SSLError:
            return "http"
        except requests.RequestException as error:
            raise _unreachable(registry, error) from error

    def _send(
        self, method: str, url: str, headers: dict[str, str], header: str, registry: str, form: Any = None
    ) -> Answer:
        """One request; its answer, bounded. Raises WaitingError where there is none."""
        verify = authority_of(registry) or True
        try:
            with closing(
                self._session.request(
                    method,
                    url,
                    headers=headers,
                    auth=_Plain(header),
                    timeout=_TIMEOUT_S,
                    stream=True,
                    verify=verify,
                    data=form,
                    allow_redirects=method != "POST",
                )
            ) as response:
                return Answer(response.status_code, response.headers, _bounded(response))
        except (requests.RequestException, OSError) as error:
            raise _unreachable(registry, error) from error

    def _refusal(self, answer: Answer, image: ImageReference, path: str, login: Login) -> ReconcilerError:
        where = f"{image.registry}/{image.path}"
        if answer.status == 429:
            wait_s = self._retry_after_s(answer)
            return WaitingError(
                f"{image.registry} answers 429: too many requests; it is asked again in {wait_s:.0f} s",
                reason="RateLimited",
                retry_after_s=wait_s,
            )
        if answer.status == 404:
            name = path.rpartition("/")[2] if "/manifests/" in path else ""
            what = f"the tag {name} is not (or no longer) in {where}" if name else f"there is no repository {where}"
            return WaitingError(f"{what}: push it, or name another one", reason="TagNotFound")
        if answer.status in (401, 403):
            as_whom = f"as {login.user or 'the user of its token'}" if login.user or login.token else "without a login"
            return StalledError(
                f"{image.registry} does not let this host read {image.path} ({as_whom}): as the user that runs "
                f"reconciler, docker login {image.registry}",
                reason="RegistryDenied",
            )
        return WaitingError(f"{image.registry} answers {answer.status} to {path}", reason="RegistryUnavailable")

    def _retry_after_s(self, answer: Answer) -> float:
        least, most = _AFTER_LIMIT_S
        text = (answer.headers.get("Retry-After") or "").strip()
        try:
            seconds = float(text) if text.isdecimal() else parsedate_to_datetime(text).timestamp() - self._clock.now()
        except (ValueError, TypeError):
            seconds = least
        return min(max(seconds, least), most)


def _digest_of(image: ImageReference, body: bytes) -> str:
    """A page to log in at, of whoever stands between, is answered with 200, too, and must be taken for no image."""
    try:
        is_manifest = "schemaVersion" in json.loads(body)
    except (ValueError, TypeError):
        is_manifest = False
    if not is_manifest:
        raise _unusable(image, "what it answers is no manifest; does something else answer in its place?")
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _bounded(response: requests.Response) -> bytes:
    body = bytearray()
    for piece in response.iter_content(64 * 1024):
        body += piece
        if len(body) > _MOST_BYTES:
            raise OSError(f"its answer is longer than {_MOST_BYTES} bytes")
    return bytes(body)


def _unreachable(registry: str, error: Exception) -> WaitingError:
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    words = " ".join(str(cause).split()) or type(cause).__name__
    return WaitingError(f"{registry} does not answer: {words[:200]}", reason="RegistryUnavailable")


def _unusable(image: ImageReference, why: str) -> WaitingError:
    return WaitingError(f"{image.registry}/{image.path}: {why}", reason="RegistryUnavailable")
