"""Stands before the first release of a stack: what cannot work waits, what is only unwise is said once.

Only a stack that was never applied is looked at, and only at this host's own disk while it waits: what needs the network is
asked beside the pass, which it never holds up. Ports are the release's own first step to ask about.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from reconciler.execution.work import Work
from reconciler.model.desired import Release
from reconciler.model.errors import ReconcilerError
from reconciler.planning.gate import Hold
from reconciler.ports.books import Journal
from reconciler.ports.clock import Clock
from reconciler.preflight import machine
from reconciler.preflight.finding import Finding, Level
from reconciler.preflight.stack import Eyes, Subject, machine_findings, network_looks
from reconciler.preflight.together import together

_AGAIN_S = 15.0
_LAST_WORDS_S = 4.0


class Gate:
    """Safe to use from several threads. ``subject_of``: what there is to look at."""

    def __init__(
        self, eyes: Eyes, subject_of: Callable[[Work, Release], Subject], journal: Journal, clock: Clock
    ) -> None:
        self._eyes = eyes
        self._subject_of = subject_of
        self._journal = journal
        self._clock = clock
        self._looked: set[tuple[str, str]] = set()
        self._asking: list[threading.Thread] = []

    def hold(self, work: Work, release: Release) -> Hold | None:
        """Why the first release of the stack does not begin now; None: it may."""
        fault = self._fault()
        if fault is not None:
            return Hold("PreflightFailed", f"the host is not fit for it: {fault}", self._clock.now() + _AGAIN_S)
        if (work.name, release.digest) not in self._looked:
            self._looked.add((work.name, release.digest))
            self._look(work, release)
        return None

    def close(self) -> None:
        """What is still being asked for may have some seconds to be told."""
        for thread in self._asking:
            thread.join(_LAST_WORDS_S)

    def _fault(self) -> Finding | None:
        """Of the root's own disk; whether an image finds room is asked before each pull."""
        try:
            found = machine.least_disk(self._eyes.disks()[0])
        except OSError:
            return None  # what cannot be looked at is for the release itself to find out
        return None if found.ok else found

    def _look(self, work: Work, release: Release) -> None:
        subject = self._subject_of(work, release)
        findings: Sequence[Finding] = ()
        with suppress(ReconcilerError, OSError):
            findings = machine_findings(work.manifest, self._eyes, is_used=False)
        looks = network_looks(subject, self._eyes)
        if not looks:
            self._tell(work, findings)
            return

        def ask() -> None:
            self._tell(work, (*findings, *together(looks)))

        self._asking = [thread for thread in self._asking if thread.is_alive()]
        self._asking.append(threading.Thread(target=ask, name="preflight", daemon=True))
        self._asking[-1].start()

    def _tell(self, work: Work, findings: Sequence[Finding]) -> None:
        warnings = [work.mask.clean(str(finding)) for finding in findings if finding.level is not Level.OK]
        if not warnings:
            return
        told = "\n".join(f"  {warning}" for warning in warnings)
        message = f"it runs anyway, but reconciler check has {len(warnings)} warning(s):\n{told}"
        with suppress(ReconcilerError):
            self._journal.tell(work.name, "info", "PreflightWarning", message, work.commit, self._clock.now())
