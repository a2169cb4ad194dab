"""What people are told of services that terminate TLS themselves and go without their pair, and how to mend it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.certs.telling import Said


def not_taken(name: str, why: str, *, was_put_back: bool) -> Said:
    back = "the one before was put back; " if was_put_back else ""
    again = "it is tried again once the pair, its entry under certs: or the container is another"
    return Said("error", "CertificateNotServed", f"{name} does not take it: {why}; {back}{again}")


def missing(pairs: Sequence[str]) -> str:
    names = " and ".join(f"{name}.crt and {name}.key" for name in pairs)
    return (
        f"stack.yaml asks for the certificate {', '.join(pairs)}, which is not there or not valid; drop {names} into "
        "certs/ (reconciler certs list says what is wrong with what lies there), and it goes on by itself"
    )
