"""Asks a Traefik whether it has read a file: only who has answers the file's mark, with 418 (its ``noop@internal``)."""

from __future__ import annotations

import http.client
import ssl

_ANSWER_S = 2.0
_HAS_READ = 418


def has_read(address: str, port: int, path: str, by_tls: bool) -> bool | None:
    """None if nobody answers. Whatever certificate is shown is fine: nothing is told, and nothing is believed but that."""
    connection = _connection(address, port, by_tls)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        return connection.getresponse().status == _HAS_READ
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _connection(address: str, port: int, by_tls: bool) -> http.client.HTTPConnection:
    if not by_tls:
        return http.client.HTTPConnection(address, port, timeout=_ANSWER_S)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(address, port, timeout=_ANSWER_S, context=context)
