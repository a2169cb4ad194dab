"""Proof by handshake: which certificate answers for a name at an address. Trusts nothing and sends no request."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

_ANSWER_S = 2.0
_MOST_GREETING = 4096


def fingerprint_at(address: str, port: int, name: str, starttls: str = "", answer_s: float = _ANSWER_S) -> str | None:
    """SHA-256 in hex of the certificate that is shown for ``name`` (SNI); None if nobody shows one.

    ``starttls``: how TLS is asked for: "" from the first byte, "postgres", "smtp" or "imap".
    """
    try:
        with socket.create_connection((address, port), timeout=answer_s) as connection:
            connection.settimeout(answer_s)
            if starttls and not _STARTS[starttls](connection):
                return None
            with _context().wrap_socket(connection, server_hostname=name) as secured:
                shown = secured.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None
    return hashlib.sha256(shown).hexdigest() if shown else None


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _postgres(connection: socket.socket) -> bool:
    """SSLRequest (PostgreSQL manual, Message Formats)."""
    connection.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
    return connection.recv(1) == b"S"


def _smtp(connection: socket.socket) -> bool:
    _line(connection)
    connection.sendall(b"EHLO reconciler\r\n")
    while (line := _line(connection))[3:4] == b"-":
        pass
    connection.sendall(b"STARTTLS\r\n")
    return line.startswith(b"250") and _line(connection).startswith(b"220")


def _imap(connection: socket.socket) -> bool:
    _line(connection)
    connection.sendall(b"a STARTTLS\r\n")
    return _line(connection).startswith(b"a OK")


def _line(connection: socket.socket) -> bytes:
    """Byte by byte, so that nothing of the handshake is swallowed."""
    found = b""
    while not found.endswith(b"\n") and len(found) < _MOST_GREETING:
        byte = connection.recv(1)
        if not byte:
            break
        found += byte
    return found


_STARTS: dict[str, Callable[[socket.socket], bool]] = {"postgres": _postgres, "smtp": _smtp, "imap": _imap}


def addresses_of(name: str) -> tuple[str, ...]:
    """What the name resolves to, by this host's resolver; none if it does not."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_own_address(address: str) -> bool:
    """Whether an interface of this host has it: only then can it be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.bind((address, 0))
        return True
    return False
