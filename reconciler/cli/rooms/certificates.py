"""How the certificates' room is made of a root's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.certs.keeper import Keeper
    from reconciler.cli.wiring import Parts
    from reconciler.model.record import ServedRecord


def keeper(parts: Parts) -> Keeper:
    from reconciler.certs.chronicle import Chronicle
    from reconciler.certs.consumers import Consumers
    from reconciler.certs.folder import DropFolder
    from reconciler.certs.keeper import Keeper, Kit
    from reconciler.certs.ordering import AcmeFiles, Ordering
    from reconciler.certs.probing import fingerprint_at
    from reconciler.certs.proving import Prover
    from reconciler.certs.publishing import Publisher
    from reconciler.certs.reach import Reach
    from reconciler.certs.vault import Vault

    layout, clock, engine = parts.layout, parts.clock, parts.engine
    book, settings = parts.journal.certificates, parts.settings.certificates

    def tell_news() -> None:
        parts.on_news()  # set when the daemon is there to hear of it

    reach = Reach(clock, tell_news)
    parts.at_end(reach.close)
    return Keeper(
        Kit(
            addresses=frozenset(settings.addresses),
            folder=DropFolder(layout.certs),
            vault=Vault(layout.pairs, layout.staging),
            publisher=Publisher(layout.traefik_of, layout.staging),
            prover=Prover(engine, clock, fingerprint_at),
            ordering=Ordering(AcmeFiles(layout.staging), reach, book, engine),
            consumers=Consumers(
                lambda stack, path: layout.data / stack / path, layout.staging, engine, clock, fingerprint_at
            ),
            chronicle=Chronicle(settings, parts.journal, book, clock, on_shown=lambda shown: _owe_hooks(parts, shown)),
            clock=clock,
            stacks=parts.applied,
            folder_of=lambda stack: str(layout.traefik_of(stack)),
            wants_pass=lambda stack, why: _wish(parts, stack, why),
        )
    )


def _owe_hooks(parts: Parts, shown: Sequence[ServedRecord]) -> None:
    """postCert hooks run in a pass of the stack whose service showed another certificate."""
    for release, manifest in parts.applied():
        mine = [record.domain for record in shown if record.service.partition("/")[0] == release.stack]
        if mine and parts.hook_keeping.owe_for_certificates(manifest, release, mine):
            _wish(parts, release.stack, "another certificate is shown")


def _wish(parts: Parts, stack: str, why: str) -> None:
    from reconciler.model.event import Event, Trigger

    parts.on_wish(Event(Trigger.CERTIFICATE, stack, why))
