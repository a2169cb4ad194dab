"""The ``Asks`` port: one plain request to a container's own address. Follows nothing, reads no body, decides nothing."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException

from reconciler.model.manifest import HttpProbe

_ANSWERS_WITHIN_S = 3.0


class HttpAsks:
    """``within_s``: for connecting, and for the first line of the answer."""

    def __init__(self, within_s: float = _ANSWERS_WITHIN_S) -> None:
        self._within_s = within_s

    def trouble(self, address: str, probe: HttpProbe) -> str:
        if not address:
            return f"{probe} cannot be sent: the container has no address of its own"
        connection = HTTPConnection(address, probe.port, timeout=self._within_s)
        try:
            connection.request("GET", probe.path, headers={"Host": "localhost", "User-Agent": "reconciler"})
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            return f"{probe}: {error or type(error).__name__}"
        finally:
            connection.close()
        is_right = status < 400 if probe.expect is None else status == probe.expect
        return "" if is_right else f"{probe} answered {status}"
