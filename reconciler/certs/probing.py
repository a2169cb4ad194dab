"""Proof by handshake: which certificate answers for a name at an address. Trusts nothing and sends no request."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
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
            if starttls and not _STARTS[starttls](_Talk(connection, time.monotonic() + answer_s)):
                return None
            connection.settimeout(answer_s)
            with trusting_anybody().wrap_socket(connection, server_hostname=name) as secured:
                shown = secured.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None
    return hashlib.sha256(shown).hexdigest() if shown else None


def trusting_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Talk:
    """A few words with a server in the clear, all of them by ``until`` (monotonic seconds)."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection = connection
        self._until = until

    def say(self, words: bytes) -> None:
        self._connection.sendall(words)

    def line(self) -> bytes:
        """Byte by byte, so that nothing of the handshake is swallowed."""
        found = b""
        while not found.endswith(b"\n") and len(found) < _MOST_GREETING:
            byte = self.byte()
            if not byte:
                break
            found += byte
        return found

    def byte(self) -> bytes:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("it talks for too long")
        self._connection.settimeout(left)
        return self._connection.recv(1)


def _postgres(talk: _Talk) -> bool:
    """SSLRequest (PostgreSQL manual, Message Formats)."""
    talk.say(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
    return talk.byte() == b"S"


def _smtp(talk: _Talk) -> bool:
    """RFC 3207. A reply may have several lines, the greeting as well (RFC 5321, 4.2.1)."""
    if _reply(talk) != b"220":
        return False
    talk.say(b"EHLO reconciler\r\n")
    if _reply(talk) != b"250":
        return False
    talk.say(b"STARTTLS\r\n")
    return _reply(talk) == b"220"


def _reply(talk: _Talk) -> bytes:
    while (line := talk.line())[3:4] == b"-":
        pass
    return line[:3]


def _imap(talk: _Talk) -> bool:
    """RFC 3501, 6.2.1. What is not tagged may stand before the answer."""
    if not talk.line().startswith(b"* OK"):
        return False
    talk.say(b"a STARTTLS\r\n")
    while (line := talk.line()).startswith(b"* "):
        pass
    return line.upper().startswith(b"A OK")


_STARTS: dict[str, Callable[[_Talk], bool]] = {"postgres": _postgres, "smtp": _smtp, "imap": _imap}


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
