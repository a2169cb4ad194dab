"""What somebody who watches a folder is told (inotify), for laws about what a proxy sees."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# inotify(7): all changes, but not opening, reading, or closing without a write.
_CHANGES = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800
MOVED_TO = 0x80


@contextmanager
def watched(folder: Path) -> Iterator[list[tuple[int, str]]]:
    """As (what, name), in order; filled when the block is left."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(descriptor, os.fsencode(folder), _CHANGES) >= 0
    told: list[tuple[int, str]] = []
    try:
        yield told
        told += _events(descriptor)
    finally:
        os.close(descriptor)


def _events(descriptor: int) -> Iterator[tuple[int, str]]:
    try:
        data = os.read(descriptor, 65536)
    except BlockingIOError:
        return
    while data:
        _, what, _, length = struct.unpack_from("iIII", data)
        yield what, data[16 : 16 + length].rstrip(b"\0").decode()
        data = data[16 + length :]
