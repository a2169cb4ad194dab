"""The web app that the scenarios run says of itself only what concerns it."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

APP = Path(__file__).parents[1] / "rig" / "images" / "app" / "app.py"
HANGS_UP = struct.pack("ii", 1, 0)  # SO_LINGER: the connection is reset, not ended


def test_a_client_that_hangs_up_is_not_worth_a_word() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    app = subprocess.Popen(
        [sys.executable, APP, "serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    )
    assert app.stdout is not None
    assert "listens" in app.stdout.readline()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HANGS_UP)
    assert b" 200 " in answer(port, "/version")
    assert b" 403 " in answer(port, "/superadmin?until=9999999999&sign=0")
    link = subprocess.run([sys.executable, APP, "super-admin"], capture_output=True, text=True, check=True).stdout
    assert b" 200 " in answer(port, link.strip())
    app.send_signal(signal.SIGTERM)
    said, complained = app.communicate(timeout=30)
    assert said == "app ended, every request answered\n"
    assert complained == ""


def answer(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return client.recv(64)
