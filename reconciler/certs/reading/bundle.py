"""A PKCS#12 bundle with the file that holds its password -> the certificates and the key in it.

The password is in no message, and in nothing that this module returns.
"""

from __future__ import annotations

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs12

from reconciler.certs.model import DroppedFile
from reconciler.certs.reading import pem
from reconciler.certs.reading.findings import Problem, shown
from reconciler.certs.reading.material import Material, exposure, fault

# BER, as Java and NSS write it: a sequence that does not say its length, and has a mark at its end.
_INDEFINITE, _END_OF_CONTENTS = b"\x30\x80", b"\0\0"


def bundled(bundle: DroppedFile, password: DroppedFile | None) -> Material:
    """Without a password file only a bundle that is not encrypted, or whose password is empty, is opened."""
    for file in (bundle, password):
        if file and (found := fault(file)):
            return Material(problems=(found,))
    if problem := _unfinished(bundle):
        return Material(problems=(problem,))
    opened = _opened(bundle.content, _candidates(password))
    if opened is None:
        return Material(problems=(_locked(bundle, password),))
    if opened.key is None or opened.cert is None:
        half = "key" if opened.key is None else "certificate of its key"
        return Material(problems=(Problem(f"{shown(bundle.name)} holds no {half}: export both into it"),))
    certificates = (opened.cert.certificate, *(each.certificate for each in opened.additional_certs))
    secrets = (bundle, *([password] if password else []))
    warnings = tuple(line for file in secrets for line in exposure(file))
    return Material(certificates, (opened.key,), warnings=warnings, ordered=False)


def _unfinished(bundle: DroppedFile) -> Problem | None:
    content, name = bundle.content, shown(bundle.name)
    if content.startswith(_INDEFINITE):
        cut = not content.endswith(_END_OF_CONTENTS)
        return Problem(f"{name} is cut off: copy it again, whole", arriving=True) if cut else None
    contents = pem.parse(content)
    if contents.damage:
        return Problem(f"{name} {contents.damage}: copy it again, whole", arriving=True)
    if any(block.label != pem.DER_LABEL for block in contents.blocks):
        return Problem(f"{name} is PEM, not PKCS#12: call it NAME.pem")
    return None


def _candidates(password: DroppedFile | None) -> tuple[bytes | None, ...]:
    """An editor ends the line that a person wrote; it is no part of the password."""
    if password is None:
        return (None, b"")
    written = password.content.removeprefix(b"\xef\xbb\xbf")
    line = written.removesuffix(b"\n").removesuffix(b"\r")
    return (line, None) if not line else (line,)


def _opened(content: bytes, candidates: tuple[bytes | None, ...]) -> pkcs12.PKCS12KeyAndCertificates | None:
    for password in candidates:
        try:
            return pkcs12.load_pkcs12(content, password)
        except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
            continue
    return None


def _locked(bundle: DroppedFile, password: DroppedFile | None) -> Problem:
    name = shown(bundle.name)
    expected = f"{name.rpartition('.')[0]}.pass"
    if password is None:
        line = f"{name} is behind a password: write it into {expected} (mode 0600), or drop {name} without one"
    else:
        line = f"the password in {expected} does not open {name}: write the right one, or export {name} anew"
    return Problem(line, arriving=True)
