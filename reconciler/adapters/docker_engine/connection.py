"""How the engine is reached: one client per thread, a limit on every wait, and its one event stream.

A ``requests`` session is not safe to share, and stacks are worked on side by side, hence a client per thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
import urllib3
from docker.api.client import APIClient
from docker.errors import APIError, DockerException, NotFound, create_api_error_from_http_exception
from docker.types.daemon import CancellableStream
from docker.utils import kwargs_from_env, version_lt

from reconciler import refusals
from reconciler.model.errors import EngineUnavailableError, ReconcilerError

CONNECT_S = 5.0
READ_S = 60
NEWEST_KNOWN_API = "1.45"  # what the translations were measured against; an older engine is spoken to in its own
_OLDEST_API = "1.41"  # Docker 20.10
_OVERLAP_S = 2  # how far an event stream reaches back, to miss nothing while it opens

# Those that a pass can learn something from. Health checks make an exec event every few seconds per container, which
# the engine so keeps to itself.
EVENT_TYPES = ("container", "network", "image")
EVENTS = (
    *("create", "start", "die", "stop", "kill", "oom", "pause", "unpause", "rename", "update", "destroy"),
    *("health_status", "connect", "disconnect", "tag", "untag", "delete", "pull", "load", "import"),
)


class Client(APIClient):
    """The SDK's client with a limit on connecting, and on the silence of streams that it would wait for forever."""

    silence_s: float | None = None

    def _set_request_timeout(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        kwargs.setdefault("timeout", self.timeout)
        kwargs["timeout"] = (CONNECT_S, kwargs["timeout"] or self.silence_s)
        return kwargs

    def update_limits(self, container_id: str, body: Mapping[str, object]) -> None:
        """The SDK's own ``update_container`` can send neither ``PidsLimit`` nor ``NanoCpus``."""
        url = f"{self.base_url}/v{self.api_version}/containers/{container_id}/update"
        response = self.post(url, json=body, timeout=(CONNECT_S, self.timeout))
        try:
            response.raise_for_status()
        except requests.HTTPError as error:
            create_api_error_from_http_exception(error)


class Connection:
    """To the engine that ``environment`` names, as the ``docker`` program reads it (``DOCKER_HOST``, ...)."""

    def __init__(self, environment: Mapping[str, str], read_s: int = READ_S) -> None:
        arguments = kwargs_from_env(environment=dict(environment))
        self.address: str = arguments.get("base_url") or "unix:///var/run/docker.sock"
        self._tls = arguments.get("tls", False)
        self._read_s = read_s
        self._own = threading.local()
        self._version: str | None = None
        self._lock = threading.Lock()
        self._stream: CancellableStream[Any] | None = None
        self._closed = False

    @property
    def is_of_this_host(self) -> bool:
        """Its files are files of this host."""
        return "unix:" in self.address

    def client(self) -> Client:
        """This thread's. Raises EngineUnavailableError."""
        if not hasattr(self._own, "client"):
            self._own.client = self._new_client()
        client: Client = self._own.client
        return client

    def fresh_client(self, silence_s: float) -> Client:
        """A client of its own that has just read the user's registry credentials; its streams may be silent for
        ``silence_s``."""
        client = self._new_client()
        client.silence_s = silence_s
        return client

    @contextmanager
    def speaking(self, refusal: Callable[[int | None, str], ReconcilerError]) -> Iterator[Client]:
        """This thread's client; whatever the SDK raises within leaves as one of our errors. ``refusal`` makes one of
        the status and the engine's words. When the engine does not answer, its event stream is given up as well: over
        TCP it might stay silent for hours without having ended."""
        try:
            client = self.client()
            with self.translated(refusal):
                yield client
        except EngineUnavailableError:
            self.hang_up()
            raise

    @contextmanager
    def translated(self, refusal: Callable[[int | None, str], ReconcilerError]) -> Iterator[None]:
        try:
            yield
        except APIError as error:
            raise refusal(error.status_code, str(error.explanation or error)) from error
        except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise refusals.unreachable(self.address, error) from error

    def messages(self) -> Iterator[Mapping[str, Any] | None]:
        """The engine's events, after a None that says that the stream is open. Ends when ``close`` was called; raises
        EngineUnavailableError when the connection is lost."""
        # The stream keeps its connection to itself until it ends, so it does not use the thread's client.
        client = self._new_client()
        since = int(time.time()) - _OVERLAP_S
        refusal = self._refusal("listen to events")
        with self.translated(refusal):
            filters = {"type": list(EVENT_TYPES), "event": list(EVENTS)}
            stream: CancellableStream[Any] = client.events(since=since, filters=filters, decode=True)
        try:
            if not self._adopt(stream):
                return
            yield None
            with self.translated(refusal):
                yield from stream
        finally:
            self._let_go(stream)
            client.close()
        if not self._closed:
            raise refusals.unreachable(self.address, "its event stream ended")

    def hang_up(self) -> None:
        """End the event stream that is open, if any: what it feeds can no longer be trusted."""
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            _shut(stream)

    def close(self) -> None:
        """End the event stream, now and for good."""
        self._closed = True
        self.hang_up()

    def _adopt(self, stream: CancellableStream[Any]) -> bool:
        with self._lock:
            self._stream = stream
            return not self._closed

    def _let_go(self, stream: CancellableStream[Any]) -> None:
        with self._lock:
            if self._stream is stream:
                self._stream = None
        _shut(stream)

    def _new_client(self) -> Client:
        with self.translated(self._refusal("reach the engine")):
            if self._version is None:
                self._version = self._agreed_version()
            return self._make(self._version)

    def _agreed_version(self) -> str:
        with self._make(_OLDEST_API) as first:
            answer = first.version(api_version=False)
        newest, oldest = str(answer["ApiVersion"]), str(answer.get("MinAPIVersion") or _OLDEST_API)
        ours = newest if version_lt(newest, NEWEST_KNOWN_API) else NEWEST_KNOWN_API
        return oldest if version_lt(ours, oldest) else ours

    def _make(self, version: str) -> Client:
        return Client(base_url=self.address, version=version, timeout=self._read_s, tls=self._tls)

    @staticmethod
    def _refusal(doing: str) -> Callable[[int | None, str], ReconcilerError]:
        return lambda status, words: refusals.refused(doing, status, words)


def is_gone(error: BaseException | None) -> bool:
    """Whether the engine refused because there is no such object."""
    return isinstance(error, NotFound)


def is_in_use(error: BaseException | None) -> bool:
    """Whether the engine refused because something else holds the object."""
    return isinstance(error, APIError) and error.status_code == 409


def _shut(stream: CancellableStream[Any]) -> None:
    try:
        stream.close()
    except (OSError, AttributeError, DockerException):
        return  # It ended by itself, and with it its socket.
