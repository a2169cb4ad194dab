"""Certificates of the first hour: files of somebody's own, validated and dropped into certs/, or Let's Encrypt by an e-mail
address. Asks only for domains that nobody has one for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.errors import WRONG_USE, Failure
from reconciler.cli.setup import asking, variables

if TYPE_CHECKING:
    from reconciler.certs.model import DroppedFile, Pair
    from reconciler.cli.wiring import Parts
    from reconciler.execution.work import Work
    from reconciler.layout import Layout

# How a Traefik is told whom a CA may write to: an option, or a variable of its environment.
_EMAIL = re.compile(rb"acme[._]email[\"']?\s*[=:]\s*[\"']?\$\{?(?P<name>[A-Za-z_][A-Za-z0-9_]*)", re.IGNORECASE)
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_MOST_BYTES = 1 << 18


def drop(layout: Layout, files: Sequence[Path]) -> None:
    """Copy a certificate and its key into certs/, once they are known to be a pair that can be served. Raises Failure."""
    pair, dropped = read(files)
    if pair is None:
        raise Failure(f"{_shown(files)} cannot be served: {dropped}; see: reconciler certs check", WRONG_USE)
    for held in _held(layout):
        if held.fingerprint == pair.fingerprint:
            output.line(f"there  {layout.certs}/{held.name}  the certificate of {', '.join(pair.domains)}")
            return
    name = _free_name(layout, _stem(files[0]))
    _write(layout.certs / f"{name}.key", pair.key)
    _write(layout.certs / f"{name}.crt", pair.chain)  # last: a certificate without its key would be complained of
    output.line(f"made   {layout.certs}/{name}.crt and .key  {', '.join(pair.domains)}, by {pair.issuer}")


def read(files: Sequence[Path]) -> tuple[Pair | None, str]:
    """The pair that the files make, or what is wrong with them."""
    from reconciler.certs.reading.pair import read_pair

    name = _stem(files[0])
    try:
        found = read_pair(name, [_file(name, path) for path in files], time.time())
    except OSError as error:
        return None, f"{error.filename} cannot be read ({error.strerror})"
    return found.pair, "; ".join(found.problems)


def _file(name: str, path: Path) -> DroppedFile:
    from reconciler.certs.model import DroppedFile

    with path.open("rb") as file:
        content = file.read(_MOST_BYTES)
    return DroppedFile(f"{name}{path.suffix.lower() or '.pem'}", content)


def _stem(path: Path) -> str:
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", path.stem).strip(".-") or "certificate"


def _held(layout: Layout) -> tuple[Pair, ...]:
    from reconciler.cli.preflight import pairs_of

    return pairs_of(layout)


def _free_name(layout: Layout, name: str) -> str:
    taken = {path.stem for path in layout.certs.iterdir()}
    return next(found for found in (name, *(f"{name}-{number}" for number in range(2, 1000))) if found not in taken)


def _write(path: Path, content: bytes) -> None:
    """Whole, or not at all, and for its owner alone from the first moment on."""
    from reconciler import files

    try:
        files.replace(path, content, path.parent)
    except OSError as error:
        raise Failure(f"{path} cannot be written ({error.strerror})") from error


def _shown(files: Iterable[Path]) -> str:
    return " and ".join(str(path) for path in files)


def email_variables(parts: Parts, work: Work) -> tuple[str, ...]:
    """Those that tell the stack's ACME resolvers whom the CA may write to."""
    from reconciler.declared.repository_files import RepositoryFiles

    assert work.revision is not None
    files = RepositoryFiles(parts.tree.entries(work.revision), parts.tree.read)
    texts = (files.find(work.manifest.folder, name).content for name in work.manifest.compose_files)
    return tuple(dict.fromkeys(match["name"].decode() for text in texts for match in _EMAIL.finditer(text)))


def order_from_acme(parts: Parts, works: Sequence[Work], address: str) -> None:
    """Let the resolvers of the stacks order what no pair covers. Raises Failure where no stack has one."""
    if why := _wrong_address(address):
        raise Failure(f"--acme-email {address}: {why}", WRONG_USE)
    found = [(work, name) for work in works for name in email_variables(parts, work)]
    if not found:
        raise Failure(
            "--acme-email: no stack of this host has an ACME resolver whose e-mail address is a variable", WRONG_USE
        )
    for work, name in found:
        variables.take(parts, work, {name: address})


def _wrong_address(text: str) -> str:
    return "" if _ADDRESS.fullmatch(text) else "write an e-mail address such as ops@example.com"


def ask(parts: Parts, works: Sequence[Work]) -> None:
    """Until every domain has somebody who has a certificate for it, or a person says that it may wait. Raises click.Abort."""
    while bare := _bare(parts, works):
        output.heading("\nCertificates")
        output.line(f"Nobody has one for {', '.join(bare)}.")
        offers = [
            "a certificate and its key, from files",
            "not now: what Traefik makes itself is shown, and browsers warn",
        ]
        resolvers = any(email_variables(parts, work) for work in works)
        if resolvers:
            offers.insert(1, "Let's Encrypt: the domains must lead to this host, and port 443 be open to the internet")
        chosen = offers[asking.choice(offers) - 1]
        if chosen.startswith("not now"):
            return
        if chosen.startswith("Let's"):
            order_from_acme(parts, works, asking.text("Whom may it write to (e-mail)", check=_wrong_address))
        else:
            _ask_files(parts.layout)


def _ask_files(layout: Layout) -> None:
    certificate = asking.text("The certificate, with its intermediates (.crt, .pem, .p12)", check=_wrong_file)
    files = [Path(certificate)]
    pair, wrong = read(files)
    if pair is None:
        files.append(Path(asking.text("Its key", check=_wrong_file)))
        pair, wrong = read(files)
    if pair is None:
        output.complain(f"  it cannot be served: {wrong}")
        return
    drop(layout, files)


def _wrong_file(text: str) -> str:
    return "" if Path(text).is_file() else f"there is no file {text}"


def _bare(parts: Parts, works: Sequence[Work]) -> tuple[str, ...]:
    """The domains that no pair covers and no resolver may order for. Of stacks that cannot be rendered nothing is known."""
    from reconciler.certs.names import covers
    from reconciler.certs.view import view_of
    from reconciler.model.errors import ReconcilerError

    releases = []
    for work in works:
        with suppress(ReconcilerError):
            assert work.revision is not None
            releases.append(parts.desire.release(work.manifest, work.revision))
    view, pairs = view_of(releases, lambda stack: str(parts.layout.traefik_of(stack))), _held(parts.layout)
    return tuple(
        domain
        for domain in sorted(view.domains)
        if not view.orderers(domain) and not any(covers(own, domain) for pair in pairs for own in pair.domains)
    )
