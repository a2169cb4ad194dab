"""A host with one Traefik, as the keeper meets it: a real ``certs/``, real files and a real state.db; time, Docker and
Traefik itself are fakes that behave."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from reconciler.adapters.journal.store import SqliteJournal
from reconciler.certs.chronicle import Chronicle
from reconciler.certs.consumers import Consumers
from reconciler.certs.folder import DropFolder
from reconciler.certs.keeper import Keeper, Kit
from reconciler.certs.names import covers
from reconciler.certs.ordering import AcmeFiles, Ordering
from reconciler.certs.proving import Prover
from reconciler.certs.publishing import FILE, Publisher
from reconciler.certs.reach import Reach
from reconciler.certs.vault import Vault
from reconciler.model.desired import Release
from reconciler.model.manifest import CertificateSettings
from reconciler.model.record import CertificateRecord, EventRecord
from tests.builders import bind, manifest, port, release
from tests.certificates import Authority, Issued
from tests.fakes.clock import FakeClock
from tests.fakes.engine import FakeEngine
from tests.fakes.host import FakeHost

NOW = time.time()  # files have the time of the real clock
DAY = 86400.0
CA = Authority(now=NOW)

Mood = Literal["well", "deaf", "stubborn", "down"]


class Traefik:
    """Shows what lies in its file, chosen by name as Traefik chooses. ``mood``: well, it watches its folder; deaf, it has
    missed something until it gets a SIGHUP; stubborn, nothing makes it read again; down, nobody answers."""

    def __init__(self, file: Path, host: FakeHost) -> None:
        self.mood: Mood = "well"
        self.own: dict[str, str] = {}  # names for which it has a certificate from elsewhere
        self._file = file
        self._host = host
        self._read: tuple[bytes, list[tuple[str, tuple[str, ...]]]] = (b"", [])
        self._heard = 0

    def probe(self, address: str, port: int, name: str) -> str | None:
        if self.mood == "down":
            return None
        heard = len(self._host.signals)
        if self.mood == "well" or (self.mood == "deaf" and heard > self._heard):
            self._reload()
        self._heard = heard
        if name in self.own:
            return self.own[name]
        default, *pairs = self._read[1] or [("Traefik's own", ())]
        exact = [shown for shown, names in pairs if name in names]
        wild = [shown for shown, names in pairs if any(covers(pattern, name) for pattern in names)]
        return next(iter([*exact, *wild]), default[0])

    def _reload(self) -> None:
        content = self._file.read_bytes() if self._file.exists() else b""
        if content != self._read[0]:
            tls = json.loads(content)["tls"]
            found = [tls["stores"]["default"]["defaultCertificate"], *tls.get("certificates", ())]
            self._read = content, [_shown(entry) for entry in found]


def _shown(entry: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    leaf = x509.load_pem_x509_certificates(entry["certFile"].encode())[0]
    key: Any = load_pem_private_key(entry["keyFile"].encode(), None)
    assert key.public_key() == leaf.public_key(), "half a pair was published"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return leaf.fingerprint(SHA256()).hex(), tuple(names.get_values_for_type(x509.DNSName))


class Scene:
    """``keeper`` is that of the process that runs now; ``restart`` begins another one on the same disk."""

    def __init__(self, root: Path, *hosts: str, orders: bool = False) -> None:
        self.root = root
        self.certs, self.state = root / "certs", root / "state"
        self.folder = self.state / "traefik" / "shop"
        self.file, self.acme = self.folder / FILE, root / "acme" / "acme.json"
        for folder in (self.certs, self.folder, self.acme.parent):
            folder.mkdir(parents=True)
        self.clock = FakeClock(NOW)
        self.host = FakeHost(self.clock)
        self.engine = FakeEngine(self.host)
        self.container = self.host.add_foreign("shop", "traefik")
        self.container.owned = True
        self.traefik = Traefik(self.file, self.host)
        self.probe: Callable[[str, int, str], str | None] = self.traefik.probe
        self.release = self._release(hosts, orders)
        self.manifest = manifest()
        self.settings = CertificateSettings(public=False)
        self.elsewhere: dict[str, str] = {}
        self.asked_for: list[str] = []
        self.dropped: list[Issued] = []
        self._start()

    def _release(self, hosts: tuple[str, ...], orders: bool) -> Release:
        options = ["--entrypoints.websecure.address=:443", "--entrypoints.websecure.http.tls=true"]
        options += [
            "--providers.providersthrottleduration=200ms",
            "--certificatesresolvers.le.acme.storage=/acme/acme.json",
        ]
        options += ["--certificatesresolvers.le.acme.email=ops@shop.test"] if orders else []
        volumes = [bind(str(self.folder), "/dynamic"), bind(str(self.acme.parent), "/acme")]
        labels = {f"traefik.http.routers.r{i}.rule": f"Host(`{host}`)" for i, host in enumerate(hosts)}
        services = {"traefik": {"volumes": volumes, "command": options, "ports": [port(443, 443)]}}
        return release({**services, "web": {"labels": labels}})

    def restart(self) -> None:
        self.close()
        self._start()

    def _start(self) -> None:
        self.journal = SqliteJournal(self.state / "state.db", synchronous="OFF")
        self.reach = Reach(self.clock, lambda: None, lambda domain, here: self.elsewhere.get(domain, ""))
        self.keeper = Keeper(self.kit())

    def kit(self) -> Kit:
        staging, book = self.state / "staging", self.journal.certificates
        probe = lambda address, port, name, starttls="": self.probe(address, port, name)  # noqa: E731
        return Kit(
            addresses=frozenset(),
            folder=DropFolder(self.certs),
            vault=Vault(self.state / "certificates" / "pairs.json", staging),
            publisher=Publisher(lambda stack: self.state / "traefik" / stack, staging),
            prover=Prover(self.engine, self.clock, probe),
            ordering=Ordering(AcmeFiles(staging), self.reach, book, self.engine),
            consumers=Consumers(
                lambda stack, path: self.root / "data" / stack / path, staging, self.engine, self.clock, probe
            ),
            chronicle=Chronicle(self.settings, self.journal, book, self.clock),
            clock=self.clock,
            stacks=lambda: [(self.release, self.manifest)],
            folder_of=lambda stack: str(self.state / "traefik" / stack),
            wants_pass=lambda stack, why: self.asked_for.append(f"{stack}: {why}"),
        )

    def close(self) -> None:
        self.reach.close()
        self.journal.close()

    # What people do

    def issue(self, *hosts: str, **changes: Any) -> Issued:
        return CA.issue(*hosts, **changes)

    def drop(self, name: str, issued: Issued, *, key: Issued | None = None) -> Issued:
        """As a person who copies two files; ``key``: of another pair, by mistake."""
        self.dropped += [issued, *([key] if key else [])]
        for ending, content in (("crt", issued.chain_pem), ("key", (key or issued).key_pem)):
            path = self.certs / f"{name}.{ending}"
            path.write_bytes(content)
            path.chmod(0o600)
            os.utime(path, (NOW - 3600.0, NOW - 3600.0))
        return issued

    def remove(self, name: str) -> None:
        for ending in ("crt", "key"):
            (self.certs / f"{name}.{ending}").unlink()

    def turn(self, times: int = 1, every_s: float = 1.0) -> None:
        """And again at once where that is asked for."""
        for _ in range(times):
            self.clock.advance(every_s)
            while self.keeper.turn() == 0.0:
                pass

    def settle(self) -> None:
        """Turn until nothing is being looked up any more."""
        self.turn()
        while not self.reach.settled():
            time.sleep(0)
        self.turn()

    # What is to be seen

    def shows(self, name: str) -> str | None:
        return self.traefik.probe("127.0.0.1", 443, name)

    def published(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_bytes())
        return found

    def records(self) -> dict[str, CertificateRecord]:
        return {record.name: record for record in self.journal.certificates.certificates()}

    def events(self) -> tuple[EventRecord, ...]:
        return self.journal.events()

    def reasons(self) -> list[str]:
        return [event.reason for event in self.events()]
