"""What is said of certificates beside other things: which need somebody, and whether anybody looks after them at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.cli import output

if TYPE_CHECKING:
    from reconciler.model.record import CertificateRecord
    from reconciler.ports.books import Journal

_MOST_NAMED = 10
_NEEDS_SOMEBODY = ("invalid", "kept", "expired", "failed", "uncovered")


def say_trouble(journal: Journal) -> None:
    """Where nobody looks at them any more, all that is known of them is of before."""
    from reconciler.certs.standing import lasting

    trouble = lasting(journal.events(stack=""))
    if trouble is not None:
        output.complain(f"since {output.local(trouble.at)}: {trouble.message}")


def say_which_need_somebody(records: Sequence[CertificateRecord]) -> None:
    """As they are now: what was said of them before may be over."""
    found = [f"{record.name} ({record.state})" for record in records if record.state in _NEEDS_SOMEBODY]
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    if found:
        named = ", ".join(found[:_MOST_NAMED])
        output.note(f"certificates that need somebody: {named}{more}; see: reconciler certs list")
