"""A Docker engine of one scenario's own, which may be stopped, killed and started again.

It has no networks and touches no packet filter, so that it and the machine's engine do not notice each other: what runs
on it has ``network_mode: none``.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from pathlib import Path

import docker
from docker.errors import DockerException

_STARTS_WITHIN_S = 60.0


class SecondEngine:
    """``folder``: where it keeps what it has to keep. ``address``: for DOCKER_HOST, also while it is down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # The path of a socket must be short, which pytest's folders are not.
        self._run = Path(tempfile.mkdtemp(prefix="engine-"))
        self.address = f"unix://{self._run}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers; at once if it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        (self._run / "docker.pid").unlink(missing_ok=True)
        with (self._folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    # An engine without a bridge takes the default one away where it finds it, which is the other engine's.
                    *("unshare", "--net", "--"),
                    "dockerd",
                    f"--host={self.address}",
                    f"--data-root={self._folder}/data",
                    f"--exec-root={self._run}/exec",
                    f"--pidfile={self._run}/docker.pid",
                    # Where the machine runs a containerd, the two engines share it.
                    f"--containerd-namespace={self._run.name}",
                    f"--containerd-plugins-namespace={self._run.name}-plugins",
                    "--bridge=none",
                    "--iptables=false",
                    "--ip6tables=false",
                    "--ip-forward=false",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._await_answer()

    def stop(self) -> None:
        """As ``systemctl stop docker`` does it; its containers end."""
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
        subprocess.run(["umount", "--recursive", "--quiet", str(self._run)], check=False, capture_output=True)
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
