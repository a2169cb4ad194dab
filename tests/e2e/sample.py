"""The sample stack's proxy in a world of its own, as the sample declares it, with a real ACME server to order from.

The sample's other services are left out: what is served is another matter than by which certificate.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import os
import shutil
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID

from reconciler.certs.acme import held
from reconciler.certs.probing import fingerprint_at
from tests.certificates import Authority, Issued
from tests.e2e.acme_server import HERE, AcmeServer, acme_server
from tests.e2e.models import service
from tests.e2e.world import RECONCILER, Daemon, World, eventually
from tests.free_ports import free_port

COMPOSE_FILE = Path(__file__).parents[2] / "desired_state" / "upsignon" / "compose.yaml"
STACK = "upsignon"
DEFAULT_NAME = "no domain of this host"  # an order is made for no name that the default certificate covers


@dataclass(frozen=True)
class Pair:
    """PEM."""

    certificate: str
    key: str


@dataclass(frozen=True)
class Sample:
    """``http_port``: None where the proof is given by TLS-ALPN-01."""

    world: World
    ca: AcmeServer
    tls_port: int
    http_port: int | None = None

    @property
    def name(self) -> str:
        return self.world.name(STACK)

    @property
    def letsencrypt(self) -> Path:
        """Host data: mounted as /letsencrypt."""
        return self.world.root / "data" / self.name / "letsencrypt"

    @property
    def dynamic(self) -> Path:
        return self.world.root / "state" / "traefik" / self.name

    @property
    def acme_file(self) -> Path:
        """The only one; there is one for each CA."""
        (found,) = self.letsencrypt.glob("acme*.json")
        return found

    def settings(self, **changed: str) -> dict[str, str]:
        """Of env/<stack>.env; an empty one is as good as none."""
        return {
            "TRAEFIK_IMAGE": "rig/traefik:3",
            "HTTPS_PORT": str(self.tls_port),
            "LETSENCRYPT_EMAIL": "ops@example.com",
            "LETSENCRYPT_CA_SERVER": self.ca.directory,
            "LETSENCRYPT_CA_ROOT": "ca.pem",
            "LETSENCRYPT_HTTP_PORT": str(self.http_port or ""),
            **changed,
        }

    def install(self, **changed: str) -> None:
        """The stack runs with ``settings(**changed)``."""
        self.commit((), **changed)
        done = self.world.once()
        assert done.returncode == 0, done.stdout + done.stderr

    def commit(self, domains: Sequence[str], **changed: str) -> str:
        """The same in Git only, and with something that is served at each of ``domains``."""
        self.letsencrypt.mkdir(parents=True, exist_ok=True)
        (self.letsencrypt / "ca.pem").write_bytes(self.ca.root.read_bytes())
        self.world.write_environment(STACK, _lines(self.settings(**changed)))
        return self.world.commit({**self.world.compose(STACK, _model(domains))})

    def commit_settings_too(self, *domains: str) -> None:
        """Of the host is only what nobody but a person can know: whom the CA may write to."""
        settings = self.settings()
        del settings["LETSENCRYPT_EMAIL"]
        self.commit(domains)
        shutil.rmtree(self.world.root / "env")
        files = self.world.compose(STACK, _model(domains), {"env": {"files": ["stack.env"]}})
        self.world.commit({**files, f"stacks/{self.name}/stack.env": _lines(settings)})

    @contextmanager
    def daemon(self, *domains: str) -> Iterator[Daemon]:
        """To it, and to it alone, ``domains`` lead to this host: it has an /etc/hosts of its own."""
        with self.world.daemon(self.program(*domains)) as found:
            yield found

    def program(self, *domains: str) -> list[str]:
        """``reconciler`` as one for whom ``domains`` lead to this host."""
        hosts = self.world.home / "hosts"
        hosts.write_text("".join(f"{HERE} {name}\n" for name in ("localhost", *domains)))
        script = 'mount --bind "$0" /etc/hosts && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, str(hosts), RECONCILER]

    def resolve(self, *domains: str) -> None:
        """From now on ``domains`` lead to this host, too, for a daemon that runs."""
        with (self.world.home / "hosts").open("a") as hosts:
            hosts.writelines(f"{HERE} {name}\n" for name in domains)

    def drop(self, name: str, domain: str, **changes: Any) -> Issued:
        """A pair of our own authority into ``certs/``."""
        issued = Authority(now=time.time()).issue(domain, **changes)
        folder = self.world.root / "certs"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.key").write_bytes(issued.key_pem)
        (folder / f"{name}.crt").write_bytes(issued.chain_pem)
        return issued

    def undrop(self, name: str) -> None:
        for ending in ("crt", "key"):
            (self.world.root / "certs" / f"{name}.{ending}").unlink()

    def fingerprint(self, domain: str) -> str | None:
        return fingerprint_at(HERE, self.tls_port, domain)

    def await_shown(self, domain: str, issued: Issued) -> None:
        eventually(lambda: self.fingerprint(domain), lambda shown: shown == issued.fingerprint)

    def state_of(self, name: str) -> str:
        """What ``certs list`` says of a pair, or of a domain."""
        with self.world.journal() as journal:
            records = journal.certificates.certificates() if journal else ()
        return next((record.state for record in records if record.name == name), "")

    def held(self) -> set[str]:
        """The names that Traefik holds certificates of the CA for."""
        return {name for found in held(self.acme_file.read_bytes()) for name in found.domains}

    def publish(self, ordered: Sequence[str] = (), pairs: Sequence[Pair] = (), default: Pair | None = None) -> None:
        """By hand what the reconciler writes for Traefik: served ``pairs``, and routers for domains to be ``ordered``.

        While no reconciler is at work: the folder is its own, and it puts back what it decided itself.
        """
        content: dict[str, Any] = {
            "tls": {
                "certificates": [{"certFile": pair.certificate, "keyFile": pair.key} for pair in pairs],
                "stores": {"default": {"defaultCertificate": _as_files(default or pair_for(cn=DEFAULT_NAME))}},
            }
        }
        if ordered:
            content["http"] = {"routers": {f"acme-{number}": _order(name) for number, name in enumerate(ordered)}}
        self.dynamic.mkdir(parents=True, exist_ok=True)
        staged = self.world.home / "certificates.yml"
        staged.write_text(yaml.safe_dump(content))
        os.replace(staged, self.dynamic / "certificates.yml")

    def served(self, domain: str) -> x509.Certificate | None:
        """Whatever certificate a handshake shows, None where there is no handshake."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        shown = self._handshake(domain, context)
        return x509.load_der_x509_certificate(shown) if shown else None

    def is_trusted(self, domain: str) -> bool:
        """Whether who trusts the CA is shown a certificate of it for this domain."""
        return self._handshake(domain, ssl.create_default_context(cadata=self.ca.issuing_root())) is not None

    def names(self, domain: str) -> tuple[str, ...]:
        """Those of the certificate that is served."""
        shown = self.served(domain)
        known = (
            []
            if shown is None
            else [e.value for e in shown.extensions if e.oid == ExtensionOID.SUBJECT_ALTERNATIVE_NAME]
        )
        return tuple(name for value in known for name in value.get_values_for_type(x509.DNSName))

    def redirect(self, domain: str) -> str | None:
        """Where somebody who asks for http://<domain>/x is sent on to."""
        connection = http.client.HTTPConnection(HERE, self.http_port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/x", headers={"Host": domain})
            return connection.getresponse().getheader("Location")

    def _handshake(self, domain: str, context: ssl.SSLContext) -> bytes | None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((HERE, self.tls_port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=domain) as tls,
        ):
            return tls.getpeercert(binary_form=True)
        return None


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _model(domains: Sequence[str]) -> dict[str, Any]:
    declared = yaml.safe_load(COMPOSE_FILE.read_text())
    services = {"traefik": declared["services"]["traefik"]}
    if domains:
        labels = {
            "traefik.enable": "true",
            "traefik.http.routers.web.rule": " || ".join(f"Host(`{domain}`)" for domain in domains),
            "traefik.http.routers.web.entryPoints": "websecure",
            "traefik.http.services.web.loadBalancer.server.port": "80",
        }
        services["web"] = service(labels=labels, networks=["web"])
    return {"services": services, "networks": {"web": {}}}


@contextmanager
def sample_with_acme(world: World, *, by_http: bool = False, **of_the_server: Any) -> Iterator[Sample]:
    """Not installed yet. The CA comes by the one port that is open. ``of_the_server``: as ``acme_server`` takes it."""
    bridge = world.engine.api.inspect_network("bridge")["IPAM"]["Config"][0]["Gateway"]
    tls_port, http_port, nobody = free_port(), free_port(), free_port()
    ports = (nobody, http_port) if by_http else (tls_port, nobody)
    with acme_server(world.home / "acme", bridge, *ports, **of_the_server) as ca:
        yield Sample(world, ca, tls_port, http_port if by_http else None)


def pair_for(*domains: str, cn: str = "") -> Pair:
    """Signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, cn)] if cn else [])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=30))
    )
    if domains:
        builder = builder.add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, domains)]), critical=not cn)
    as_pem = serialization.Encoding.PEM
    form, locked = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    signed = builder.sign(key, hashes.SHA256()).public_bytes(as_pem)
    return Pair(signed.decode(), key.private_bytes(as_pem, form, locked).decode())


def _as_files(pair: Pair) -> dict[str, str]:
    return {"certFile": pair.certificate, "keyFile": pair.key}


def _order(domain: str) -> dict[str, Any]:
    return {
        "rule": f"Host(`{domain}`) && Path(`/.reconciler/acme`)",
        "service": "noop@internal",
        "entryPoints": ["websecure"],
        "tls": {"certResolver": "le", "domains": [{"main": domain}]},
    }
