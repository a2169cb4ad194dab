"""``reconciler certs``: what is served and until when, and what was served before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.certificate_view import say_trouble
from reconciler.cli.certs_check import check
from reconciler.cli.options import Number, Options, as_json
from reconciler.model.duration import shown_duration
from reconciler.model.moment import iso_moment

if TYPE_CHECKING:
    from reconciler.layout import Layout
    from reconciler.model.record import CertificateRecord, ServedRecord

_MOST_NAMED = 5
_TITLES = ("NAME", "STATE", "ORIGIN", "DOMAINS", "ISSUER", "EXPIRES IN", "SERVED BY", "VERIFIED")


@click.group(epilog="Example: reconciler certs list")
def certs() -> None:
    """Look at the certificates: those in certs/, and those that Traefik obtains.

    To serve a certificate, drop NAME.crt (the server's certificate, then its intermediates) and NAME.key into the folder
    certs/ of the root. That is all: it is validated, published and proven by handshakes within moments.
    """


certs.add_command(check)


@certs.command(
    "list",
    short_help="Show every certificate, until when it is good, and who serves it.",
    epilog="Example: reconciler certs list -o json",
)
@as_json
@click.pass_obj
def list_certificates(options: Options, form: str | None) -> None:
    """Show every certificate: its names, who issued it, where it comes from, when it ends, and who was seen serving it.

    ORIGIN is folder (certs/), acme (obtained by Traefik) or none: a domain that is served, and that no certificate
    covers. What is wrong, or was mended, stands below the table.
    """
    layout = roots.layout_of(options.root)
    with roots.open_journal(layout) as journal:
        records = journal.certificates.certificates()
        if form != "json":
            say_trouble(journal)
    if form == "json":
        output.print_json([as_object(record) for record in records])
        return
    _note_overlooked(layout)
    if not records:
        output.note("no certificate is known yet: drop NAME.crt and NAME.key into certs/ of the root")
        return
    now = time.time()
    output.print_table(_TITLES, [_row(record, now) for record in records])
    for record in records:
        if record.message:
            output.line(f"{record.name}: {record.message}")


@certs.command(
    short_help="Show which certificate was served when, the newest first.", epilog="Example: reconciler certs history"
)
@as_json
@click.option("-n", "--lines", default=50, show_default=True, type=Number(1), help="How many, the newest first.")
@click.pass_obj
def history(options: Options, form: str | None, lines: int) -> None:
    """Show which certificate was served when, by fingerprint, as handshakes proved it; the newest first."""
    with roots.open_journal(roots.layout_of(options.root)) as journal:
        records = journal.certificates.served(lines)
    if form == "json":
        output.print_json([_served_object(record) for record in records])
        return
    if not records:
        output.note(
            "no handshake has shown a certificate of certs/ or of ACME yet: one stands here as soon as a proxy or service was "
            "seen serving it; `reconciler certs list` says what is known of each"
        )
        return
    rows = [
        (output.local(found.at), found.service, found.domain, found.fingerprint[:16], found.name, found.issuer)
        for found in records
    ]
    output.print_table(("SINCE", "SERVICE", "DOMAIN", "FINGERPRINT", "NAME", "ISSUER"), rows)


def _note_overlooked(layout: Layout) -> None:
    """Whoever drops a whole folder, or fullchain.pem.txt, waits for something that never comes."""
    from reconciler.certs.folder import overlooked

    names = overlooked(layout.certs)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    if names:
        output.note(
            f"not looked at in certs/, for it is no file of a pair by its name: {', '.join(names[:_MOST_NAMED])}{more}. A pair "
            "is NAME.crt and NAME.key, or NAME.p12, in certs/ itself"
        )


def as_object(record: CertificateRecord) -> dict[str, object]:
    """The shape that programs rely on (docs/json-output.md)."""
    return {
        "name": record.name,
        "state": record.state,
        "origin": record.origin,
        "domains": list(record.domains),
        "issuer": record.issuer,
        "fingerprint": record.fingerprint,
        "expiresAt": iso_moment(record.not_after or None),
        "servedBy": list(record.verified_by),
        "verifiedAt": iso_moment(record.verified_at or None),
        "message": record.message,
    }


def _row(record: CertificateRecord, now: float) -> tuple[str, ...]:
    left = record.not_after - now
    expires = (
        "-"
        if not record.not_after
        else shown_duration(left)
        if left > 0
        else f"expired {output.ago(record.not_after, now)}"
    )
    return (
        record.name,
        record.state,
        record.origin,
        ", ".join(record.domains) or "-",
        record.issuer or "-",
        expires,
        ", ".join(record.verified_by) or "-",
        output.ago(record.verified_at, now) if record.verified_at else "-",
    )


def _served_object(record: ServedRecord) -> dict[str, object]:
    return {
        "at": iso_moment(record.at),
        "service": record.service,
        "domain": record.domain,
        "fingerprint": record.fingerprint,
        "name": record.name,
        "issuer": record.issuer,
        "expiresAt": iso_moment(record.not_after or None),
    }
