"""``reconciler certs``: what is served and until when, what was served before, and whether files may be dropped at all."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED, Failure
from reconciler.cli.options import Number, Options, as_json
from reconciler.model.duration import shown_duration
from reconciler.model.moment import iso_moment

if TYPE_CHECKING:
    from reconciler.certs.model import DroppedFile, Reading
    from reconciler.certs.reading.trust import Trust
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


@certs.command(
    short_help="Validate files before they are dropped, touching nothing.",
    epilog="Example: reconciler certs check new/vault.crt new/vault.key",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@as_json
@click.pass_obj
def check(options: Options, files: tuple[Path, ...], form: str | None) -> int:
    """Validate files before they are dropped: by the rules of the folder certs/, touching nothing.

    Ends with 0 where every pair could be served, warnings or not, with 1 where one could not.
    """
    from reconciler.certs.reading.pair import group, read_pair

    groups = group(_read(path) for path in files)
    trust, now = _trust(options), time.time()
    readings = [read_pair(name, groups[name], now, trust) for name in sorted(groups)]
    held = _held_by_acme(options)
    if form == "json":
        output.print_json([_reading_object(reading) for reading in readings])
    else:
        for reading in readings:
            _show(reading)
            _announce(reading, held)
        if not readings:
            output.complain(
                "none of these names is one of a certificate or key: NAME.crt, NAME.key, NAME.pem, NAME.p12"
            )
    return 0 if readings and all(reading.pair for reading in readings) else FAILED


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


def _read(path: Path) -> DroppedFile:
    from reconciler.certs.folder import MOST_BYTES
    from reconciler.certs.model import DroppedFile

    try:
        status = path.stat()
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        return DroppedFile(path.name, b"", fault=f"it cannot be read ({error.strerror})")
    fault = f"it is larger than {MOST_BYTES // 1024} KiB, which no certificate is" if len(content) > MOST_BYTES else ""
    return DroppedFile(path.name, content, status.st_mode & 0o777, status.st_mtime, fault)


def _show(reading: Reading) -> None:
    if reading.pair is not None:
        output.line(
            f"ok    {reading.name}: for {', '.join(reading.pair.domains)}, issued by {reading.pair.issuer}, "
            f"until {output.local(reading.pair.not_after)}"
        )
    for problem in reading.problems:
        output.line(f"FAIL  {reading.name}: {problem}")
    for warning in reading.warnings:
        output.line(f"warn  {reading.name}: {warning}")


def _trust(options: Options) -> Trust:
    """As this host's settings say; as if there were none where this is no root, or they are refused or not for this user's eyes."""
    from reconciler.certs.reading.trust import Trust
    from reconciler.cli.wiring import read_settings
    from reconciler.layout import Layout
    from reconciler.model.errors import ReconcilerError

    layout = Layout(options.root)
    try:
        settings = read_settings(layout).certificates if layout.settings.exists() else None
    except (ReconcilerError, click.ClickException, PermissionError):
        settings = None
    return Trust() if settings is None else Trust(own=settings.ca_file, public=settings.public)


def _held_by_acme(options: Options) -> tuple[str, ...]:
    """The names that Traefik holds certificates for, as the last pass saw it; none where this is no root of this user."""
    from reconciler.certs.telling import ACME

    try:
        layout = roots.layout_of(options.root)
    except Failure:
        return ()
    if not layout.journal.exists():
        return ()
    with roots.open_journal(layout) as journal:
        found = journal.certificates.certificates()
    return tuple(name for record in found if record.origin == ACME and record.fingerprint for name in record.domains)


def _announce(reading: Reading, held: tuple[str, ...]) -> None:
    """A takeover has its price, which people should know before they drop the pair."""
    from reconciler.certs.deciding import covering

    taken = [name for name in held if reading.pair is not None and covering(name, (reading.pair,))]
    if taken:
        output.line(
            f"note  {reading.name}: takes {', '.join(taken)} over from ACME, which Traefik learns only by a new start: "
            "it is stopped for about a second when the pair is dropped"
        )


def _reading_object(reading: Reading) -> dict[str, object]:
    pair = reading.pair
    return {
        "name": reading.name,
        "ok": pair is not None,
        "problems": list(reading.problems),
        "warnings": list(reading.warnings),
        "domains": list(pair.domains) if pair else [],
        "issuer": pair.issuer if pair else "",
        "fingerprint": pair.fingerprint if pair else "",
        "expiresAt": iso_moment(pair.not_after) if pair else None,
    }
