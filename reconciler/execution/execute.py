"""Walk a plan, step by step, each written down before and after. Decides nothing.

What goes wrong is a ``StepFailedError``; what to do about it is the loop's question.
"""

from __future__ import annotations

from contextlib import suppress

from reconciler.execution.deeds import Deeds
from reconciler.execution.walk import Hands, StepFailedError, StoppedError, Walk, end_if
from reconciler.model.desired import nothing_of
from reconciler.model.errors import (
    ReconcilerError,
    WaitingError,
)
from reconciler.model.manifest import Manifest
from reconciler.model.plan import (
    AwaitHealthy,
    CauseKind,
    Plan,
    StartContainer,
    Step,
)
from reconciler.planning.story import describe


class Executor:
    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def walk(self, plan: Plan, walk: Walk, steps: tuple[Step, ...] | None, first: int) -> None:
        """Take ``steps`` (all of the plan's, if None), numbered from ``first``. Raises StepFailedError, StoppedError."""
        taken = Deeds(self._hands, plan, walk)
        for number, step in enumerate(plan.steps if steps is None else steps, first):
            end_if(walk.stop())
            self._take(taken, number, step, walk)

    def forget(self, stack: str) -> None:
        """Nothing of the stack is there any more, and nobody is to be sent there. Raises WaitingError."""
        nothing = nothing_of(stack)
        self._hands.traffic.drop(nothing, tuple(self._hands.traffic.unled(nothing)))

    def give_up_pairs(self, manifest: Manifest, failure: StepFailedError, why: str) -> None:
        """A service that could not start with a new pair: its old container must not read that when it starts again."""
        is_of_the_service = isinstance(failure.step.action, StartContainer | AwaitHealthy)
        if failure.step.cause.kind is CauseKind.CERTIFICATE and is_of_the_service and not failure.engine_is_gone:
            with suppress(WaitingError):  # the repair failed all the same, and is said and tried again
                self._hands.certificates.refuse(manifest, failure.step.service, why)

    def _take(self, taken: Deeds, number: int, step: Step, walk: Walk) -> None:
        journal, clock = self._hands.journal, self._hands.clock
        text = walk.clean(describe(step.action))
        walk.progress(f"{walk.release.stack}: {text}")
        journal.intend(walk.pass_id, number, step.service, text, clock.now())
        try:
            taken.act(step.action)
        except StoppedError:
            raise
        except ReconcilerError as error:
            journal.failed(walk.pass_id, number, walk.clean(str(error)), clock.now())
            raise StepFailedError(number, step, error, taken.last_words(step.action)) from error
        journal.done(walk.pass_id, number, clock.now())
