"""The least that serves a dropped pair: inotify, validate, write, fsync, rename. Forgets, proves and explains nothing.

``prototype.py CERTS DYNAMIC STAGING``: the floor that `make bench` measures the reconciler against.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_CLOSE_WRITE, _MOVED_TO = 0x8, 0x80


def main(certs: Path, dynamic: Path, staging: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(0)
    libc.inotify_add_watch(watch, str(certs).encode(), _CLOSE_WRITE | _MOVED_TO)
    print("watching", flush=True)
    while os.read(watch, 65536):
        content = valid(certs / "a.crt", certs / "a.key")
        if content is not None:
            publish(content, dynamic, staging)


def valid(certificate: Path, key: Path) -> dict[str, str] | None:
    try:
        chain, secret = certificate.read_bytes(), key.read_bytes()
        leaf = x509.load_pem_x509_certificates(chain)[0]
        if leaf.public_key() != load_pem_private_key(secret, None).public_key():
            return None
    except (OSError, ValueError):
        return None
    return {"certFile": chain.decode(), "keyFile": secret.decode()}


def publish(content: dict[str, str], dynamic: Path, staging: Path) -> None:
    text = json.dumps({"tls": {"certificates": [content], "stores": {"default": {"defaultCertificate": content}}}})
    staged = staging / "staged.yml"
    with staged.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(dynamic / "certificates.yml")
    folder = os.open(dynamic, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:4]))
