"""The files of one name -> all the certificates and keys in them, or what is missing, twofold or in the wrong file.

It knows which file says what, so that a message can name it; whether anything is valid is judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.certs.model import DroppedFile
from reconciler.certs.reading import chain as chains
from reconciler.certs.reading.bundle import bundled
from reconciler.certs.reading.findings import Problem, shown
from reconciler.certs.reading.grouping import Role, place_of
from reconciler.certs.reading.material import Material, material, together

_OF_CERTBOT = frozenset({"cert.pem", "fullchain.pem", "privkey.pem"})


def gather(name: str, files: Iterable[DroppedFile]) -> Material:
    """Without problems it has at least one certificate and one key."""
    by_role = _by_role(files)
    found = _found(name, by_role)
    if found.problems or (found.certificates and found.keys):
        return found
    here = tuple(shown(file.name) for each in by_role.values() for file in each)
    return replace(found, problems=(Problem(_missing(shown(name), here, found), arriving=True),))


def _by_role(files: Iterable[DroppedFile]) -> dict[Role, list[DroppedFile]]:
    roles: dict[Role, list[DroppedFile]] = {role: [] for role in Role}
    for file in files:
        if place := place_of(file.name):
            roles[place[1]].append(file)
    return roles


def _found(name: str, by_role: dict[Role, list[DroppedFile]]) -> Material:
    certificates, key_files, bundles, passwords = (by_role[role] for role in Role)
    if bundles:
        return _from_bundle(bundles, passwords, [*certificates, *key_files])
    of_certificates = [(file, material(file)) for file in certificates]
    of_keys = [(file, material(file)) for file in key_files]
    conflicts = (*_rivals(of_certificates, "certificates"), *_rivals(of_keys, "keys"))
    whole = together(
        (
            Material(problems=conflicts),
            *(part for _, part in of_certificates),
            *_without_second_chain(of_keys, any(part.certificates for _, part in of_certificates)),
        )
    )
    said = (*_inside(name, of_certificates), *_unneeded(passwords))
    return replace(whole, warnings=(*whole.warnings, *said))


def _from_bundle(bundles: list[DroppedFile], passwords: list[DroppedFile], others: list[DroppedFile]) -> Material:
    if rivals := [*bundles[1:], *others]:
        remove = ", ".join(shown(file.name) for file in rivals)
        line = f"{shown(bundles[0].name)} is a pair of its own: remove either it or {remove}"
        return Material(problems=(Problem(line),))
    return bundled(bundles[0], passwords[0] if passwords else None)


def _rivals(parts: list[tuple[DroppedFile, Material]], what: str) -> tuple[Problem, ...]:
    holders = [shown(file.name) for file, part in parts if (part.certificates if what == "certificates" else part.keys)]
    if len(holders) < 2:
        return ()
    line = f"{' and '.join(holders)} both hold {what}: keep the newer one and remove the other"
    return (Problem(line),)


def _without_second_chain(parts: list[tuple[DroppedFile, Material]], has_chain: bool) -> Iterator[Material]:
    for file, part in parts:
        if not part.certificates:
            yield part
        elif has_chain:
            line = (
                f"{shown(file.name)} holds certificates, too; they were left out: those of the certificate file count"
            )
            yield replace(part, certificates=(), warnings=(*part.warnings, line))
        else:
            line = f"{shown(file.name)} holds the certificate, which belongs into a file of its own (NAME.crt)"
            yield replace(part, warnings=(*part.warnings, line))


def _inside(name: str, parts: list[tuple[DroppedFile, Material]]) -> Iterator[str]:
    for file, part in parts:
        if part.keys:
            yield f"{shown(file.name)} holds a private key: keep the key in {shown(name)}.key only (mode 0600)"


def _unneeded(passwords: list[DroppedFile]) -> Iterator[str]:
    for file in passwords:
        yield f"{shown(file.name)} is not needed, as there is no bundle (.p12) of that name: remove it"


def _missing(name: str, files: tuple[str, ...], found: Material) -> str:
    here = ", ".join(files)
    if here in _OF_CERTBOT:
        return (
            f"{here} is a name of certbot's: rename fullchain.pem to NAME.crt and privkey.pem to NAME.key, with one NAME"
            " of your choice for both"
        )
    if found.keys and f"{name}.crt" in files:
        return f"{name}.crt holds a key and no certificate: drop the certificate as {name}.crt, the key as {name}.key"
    if found.keys:
        return f"{name}.crt is missing, the certificate of the key in {here}: drop it beside, with its intermediates"
    if not found.certificates:
        return f"{name}.p12 is missing, which {here} is to open: drop it beside, or remove {here}"
    if f"{name}.key" in files:
        return f"{name}.key holds a certificate and no key: drop the key as {name}.key, the certificate as {name}.crt"
    if all(chains.is_authority(each) for each in found.certificates):
        return (
            f"{here} holds certificates of authorities only: append them to the certificate file of the pair that they"
            f" belong to and remove {here}, or drop {name}.key beside it"
        )
    return f"{name}.key is missing, the private key of the certificate in {here}: drop it beside"
