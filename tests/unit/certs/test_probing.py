"""Which certificate a server shows, however TLS is asked for there; and nothing, soon, where none is shown."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.certs.probing import fingerprint_at
from tests.certificates import Authority, Issued

Talk = Callable[[socket.socket], None]


def lines(*turns: tuple[bytes, bytes]) -> Talk:
    """What is said, and what must be heard after it."""

    def talk(connection: socket.socket) -> None:
        for said, heard in turns:
            connection.sendall(said)
            found = b""
            while len(found) < len(heard):
                found += connection.recv(1)
            assert found == heard

    return talk


def nothing(connection: socket.socket) -> None: ...


def silence(connection: socket.socket) -> None:
    connection.recv(1)


EHLO, START = b"EHLO reconciler\r\n", b"STARTTLS\r\n"
SMTP = lines((b"220 mail\r\n", EHLO), (b"250-mail\r\n250-PIPELINING\r\n250 STARTTLS\r\n", START), (b"220 go\r\n", b""))
POSTSCREEN = lines((b"220-wait\r\n220-a bit\r\n220 mail\r\n", EHLO), (b"250 STARTTLS\r\n", START), (b"220 go\r\n", b""))
IMAP = lines((b"* OK mail\r\n", b"a STARTTLS\r\n"), (b"a OK go\r\n", b""))
WORDY = lines((b"* OK mail\r\n", b"a STARTTLS\r\n"), (b"* CAPABILITY IMAP4rev1\r\na OK go\r\n", b""))
REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


@pytest.fixture(scope="module")
def issued() -> Issued:
    return Authority(now=time.time()).issue("mail.example.com")


@pytest.fixture
def serve(tmp_path: Path, issued: Issued) -> Iterator[Callable[[Talk], int]]:
    """A port where somebody talks first and then shows the certificate."""
    (tmp_path / "both.pem").write_bytes(issued.chain_pem + issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    listeners: list[socket.socket] = []

    def answer(listener: socket.socket, talk: Talk) -> None:
        try:
            with listener.accept()[0] as connection:
                connection.settimeout(10)
                talk(connection)
                context.wrap_socket(connection, server_side=True).close()
        except OSError:
            pass

    def start(talk: Talk) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=answer, args=(listener, talk), daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("starttls", "talk"),
    [
        ("", nothing),
        ("smtp", SMTP),
        ("smtp", POSTSCREEN),
        ("imap", IMAP),
        ("imap", WORDY),
        ("postgres", lines((b"", REQUEST), (b"S", b""))),
    ],
)
def test_what_is_shown_is_seen_however_tls_is_asked_for(
    serve: Callable[[Talk], int], issued: Issued, starttls: str, talk: Talk
) -> None:
    assert fingerprint_at("127.0.0.1", serve(talk), "mail.example.com", starttls) == issued.fingerprint


@pytest.mark.parametrize(
    ("starttls", "talk"),
    [
        ("smtp", lines((b"554 go away\r\n", b""))),
        ("smtp", lines((b"220 mail\r\n", EHLO), (b"250 mail\r\n", START), (b"502 what\r\n", b""))),
        ("imap", lines((b"* BYE\r\n", b""))),
        ("imap", lines((b"* OK mail\r\n", b"a STARTTLS\r\n"), (b"a BAD what\r\n", b""))),
        ("postgres", lines((b"", REQUEST), (b"N", b""))),
        ("smtp", silence),
        ("", silence),
    ],
)
def test_whoever_refuses_or_is_silent_shows_nothing(serve: Callable[[Talk], int], starttls: str, talk: Talk) -> None:
    assert fingerprint_at("127.0.0.1", serve(talk), "mail.example.com", starttls, answer_s=0.2) is None


def test_whoever_never_comes_to_an_end_is_not_listened_to_for_ever(serve: Callable[[Talk], int]) -> None:
    def drips(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"220-on and on\r\n")

    assert fingerprint_at("127.0.0.1", serve(drips), "mail.example.com", "smtp", answer_s=0.2) is None


def test_where_nobody_listens_nothing_is_shown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert fingerprint_at("127.0.0.1", port, "mail.example.com") is None
