"""The certificates' tables of state.db: the ``CertificateBook`` port. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence

from reconciler.adapters.journal.rows import Row
from reconciler.adapters.journal.table import Table
from reconciler.model.record import CertificateRecord, ServedRecord, TrialRecord

_KEPT_SERVED = 10_000
_CERTIFICATE = (
    "name, origin, state, domains, issuer, fingerprint, not_after, message, verified_at, verified_by, warned_at"
)
_SERVED = "at, service, domain, fingerprint, name, issuer, not_after"
_TRIAL = "domain, attempts, began_at, next_at"


class CertificateTables(Table):
    def certificates(self) -> tuple[CertificateRecord, ...]:
        found = self._database.read(f"SELECT {_CERTIFICATE} FROM certificates ORDER BY origin DESC, name")
        return tuple(_certificate(row) for row in found)

    def save_certificates(self, records: Sequence[CertificateRecord]) -> None:
        with self._database.write() as connection:
            connection.execute("DELETE FROM certificates")
            connection.executemany(
                f"INSERT INTO certificates ({_CERTIFICATE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_certificate_row(record) for record in records],
            )

    def served(self, limit: int) -> tuple[ServedRecord, ...]:
        found = self._database.read(f"SELECT {_SERVED} FROM served ORDER BY id DESC LIMIT ?", (limit,))
        return tuple(ServedRecord(*row) for row in found)

    def serves(self, records: Sequence[ServedRecord]) -> None:
        if not records:
            return
        with self._database.write() as connection:
            connection.executemany(
                f"INSERT INTO served ({_SERVED}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        found.at,
                        found.service,
                        found.domain,
                        found.fingerprint,
                        found.name,
                        found.issuer,
                        found.not_after,
                    )
                    for found in records
                ],
            )
            connection.execute("DELETE FROM served WHERE id <= (SELECT max(id) FROM served) - ?", (_KEPT_SERVED,))

    def trials(self) -> tuple[TrialRecord, ...]:
        return tuple(TrialRecord(*row) for row in self._database.read(f"SELECT {_TRIAL} FROM trials ORDER BY domain"))

    def save_trials(self, records: Sequence[TrialRecord]) -> None:
        with self._database.write() as connection:
            connection.execute("DELETE FROM trials")
            connection.executemany(
                f"INSERT INTO trials ({_TRIAL}) VALUES (?, ?, ?, ?)",
                [(trial.domain, trial.attempts, trial.began_at, trial.next_at) for trial in records],
            )


def _certificate(row: Row) -> CertificateRecord:
    name, origin, state, domains, issuer, fingerprint, not_after, message, verified_at, verified_by, warned_at = row
    return CertificateRecord(
        name=name,
        origin=origin,
        state=state,
        domains=tuple(json.loads(domains)),
        issuer=issuer,
        fingerprint=fingerprint,
        not_after=not_after,
        message=message,
        verified_at=verified_at,
        verified_by=tuple(json.loads(verified_by)),
        warned_at=warned_at,
    )


def _certificate_row(record: CertificateRecord) -> Row:
    return (
        record.name,
        record.origin,
        record.state,
        json.dumps(record.domains),
        record.issuer,
        record.fingerprint,
        record.not_after,
        record.message,
        record.verified_at,
        json.dumps(record.verified_by),
        record.warned_at,
    )
