"""``reconciler certs check``: whether files may be dropped at all, by the rules of the folder ``certs/``. Touches nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED, Failure
from reconciler.cli.options import Options, as_json
from reconciler.model.moment import iso_moment

if TYPE_CHECKING:
    from reconciler.certs.model import DroppedFile, Reading
    from reconciler.certs.reading.trust import Trust


@click.command(
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
    from reconciler.certs.reading.grouping import place_of
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
    for path in files:
        if place_of(path.name) is None:
            what = "is a folder: name the files in it" if path.is_dir() else "is by its name no file of a pair"
            output.complain(f"{path} {what}, such as NAME.crt, NAME.key, NAME.pem, NAME.p12")
    return 0 if readings and all(reading.pair for reading in readings) else FAILED


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
