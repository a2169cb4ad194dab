"""Pulls one image, with credentials that are read anew and a limit to silence rather than to time."""

from __future__ import annotations

from collections.abc import Callable

from reconciler import refusals
from reconciler.adapters.docker_engine.connection import Connection
from reconciler.adapters.docker_engine.pull_progress import PullProgress
from reconciler.model.errors import EngineUnavailableError


def pull(connection: Connection, reference: str, progress: Callable[[str], None], silence_s: float) -> None:
    """Raises WaitingError when the registry does not give it, or says nothing for ``silence_s``."""
    lines = PullProgress(reference, progress)
    client = connection.fresh_client(silence_s)
    try:
        with client, connection.translated(lambda _, words: refusals.pull_refused(reference, words)):
            for message in client.pull(reference, stream=True, decode=True):
                if "error" in message:
                    raise refusals.pull_refused(reference, str(message["error"]))
                lines.take(message)
    except EngineUnavailableError as error:
        if "timed out" not in str(error).lower():
            raise
        raise refusals.pull_refused(reference, f"nothing came for {silence_s:g} s") from error
