"""A Docker engine of one scenario's own, which may be stopped, killed and started again.

It lives in a network namespace of its own, so that it and the machine's engine do not notice each other. By default it has
no networks: what runs on it has ``network_mode: none``. With them, whoever wants to reach its containers has to be inside.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import DockerException

_STARTS_WITHIN_S = 60.0
_NO_NETWORKS = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false")
# Its containers are reached by their addresses; by published ports, too, without a process of the engine's own in between.
_NETWORKS = ("--userland-proxy=false", "--default-address-pool=base=10.214.0.0/16,size=24")
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of <sched.h>
_SET_FLAGS, _UP = 0x8914, 0x1  # SIOCSIFFLAGS and IFF_UP of <linux/sockios.h> and <net/if.h>


class SecondEngine:
    """``folder``: where it keeps what it has to keep. ``address``: for DOCKER_HOST, also while it is down."""

    def __init__(self, folder: Path, *, networked: bool = False) -> None:
        self._folder = folder
        self._networks = _NETWORKS if networked else _NO_NETWORKS
        # Sleeps as long as the engine may come back: the namespace lives as long as it does.
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--", "sh", "-c", "echo; exec sleep infinity"], stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        self._holder.stdout.readline()
        with self.thread_inside():
            _bring_up("lo")
        # The path of a socket must be short, which pytest's folders are not.
        # Its name becomes a namespace of containerd, which wants no "_" at its end, as mkdtemp's names may have one.
        self._run = Path(tempfile.gettempdir()) / f"engine-{uuid.uuid4().hex[:8]}"
        self._run.mkdir(mode=0o700)
        self.address = f"unix://{self._run}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def inside(self) -> tuple[str, ...]:
        """Before a command: runs it where the engine's networks are."""
        return ("nsenter", f"--net={self._namespace}", "--")

    @property
    def _namespace(self) -> str:
        return f"/proc/{self._holder.pid}/ns/net"

    @contextmanager
    def thread_inside(self) -> Iterator[None]:
        """What this very thread connects to meanwhile, it connects to from there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net", "rb") as outside, open(self._namespace, "rb") as inside:
            assert libc.setns(inside.fileno(), _NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(outside.fileno(), _NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())

    def start(self, *options: str) -> None:
        """Returns when it answers; at once if it runs. With ``--live-restore``, its containers run on when it is stopped."""
        if self._process is not None and self._process.poll() is None:
            return
        (self._run / "docker.pid").unlink(missing_ok=True)
        with (self._folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    # An engine without a bridge takes the default one away where it finds it, which is the other engine's.
                    *self.inside,
                    "dockerd",
                    f"--host={self.address}",
                    f"--data-root={self._folder}/data",
                    f"--exec-root={self._run}/exec",
                    f"--pidfile={self._run}/docker.pid",
                    # Where the machine runs a containerd, the two engines share it.
                    f"--containerd-namespace={self._run.name}",
                    f"--containerd-plugins-namespace={self._run.name}-plugins",
                    *self._networks,
                    *options,
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._await_answer()

    def stop(self) -> None:
        """As ``systemctl stop docker`` does it; its containers end, unless it was started otherwise."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)

    def load(self, *images: str) -> None:
        """From the machine's engine."""
        saved = subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE)
        subprocess.run(
            ["docker", f"--host={self.address}", "load", "--quiet"], stdin=saved.stdout, check=True, capture_output=True
        )
        assert saved.wait() == 0

    def clean(self) -> None:
        self.stop()
        self._holder.kill()
        self._holder.wait()
        for folder in (self._run, self._folder / "data"):
            subprocess.run(["umount", "--recursive", "--quiet", str(folder)], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", str(self._folder / "data"), str(self._run)], check=False)

    def log(self) -> str:
        return (self._folder / "dockerd.log").read_text()

    def _await_answer(self) -> None:
        end = time.monotonic() + _STARTS_WITHIN_S
        while time.monotonic() < end:
            try:
                client = docker.DockerClient(base_url=self.address, timeout=5)
                client.ping()
                client.close()
                return
            except (DockerException, OSError):
                time.sleep(0.1)
        raise AssertionError(f"the second engine does not answer:\n{self.log()[-2000:]}")


def _bring_up(interface: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        fcntl.ioctl(channel, _SET_FLAGS, struct.pack("16sH14x", interface.encode(), _UP))
