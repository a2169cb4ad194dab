"""What is done for the services beside one that cannot be mended. Cleans nothing up: the release as a whole is not proven."""

from __future__ import annotations

from dataclasses import replace

from reconciler.execution.stage import Stage
from reconciler.execution.walk import StepFailedError
from reconciler.execution.work import Work
from reconciler.model.desired import Release
from reconciler.model.observed import Observed
from reconciler.model.plan import RemoveNetwork
from reconciler.planning.undo import as_it_ran


def mend_the_rest(
    stage: Stage, work: Work, release: Release, before: Observed, pass_id: int, failure: StepFailedError
) -> None:
    """A service that cannot be mended runs as it did ``before``, and keeps no other one from being mended; each round sets
    another one aside. No network is taken away, which may be in use."""
    aside = frozenset[str]()
    while (spec := release.service(failure.step.service)) and spec.name not in aside:
        aside |= {spec.name}
        stage.executor.give_up_pairs(work.manifest, failure, work.mask.clean(str(failure.cause)))
        now = stage.observe(work, release)
        rest = stage.plan(work, release, replace(now, aside=aside))
        steps = (*as_it_ran(before, now, spec), *rest.steps[: rest.proven_after])
        if any(isinstance(step.action, RemoveNetwork) for step in steps):
            return
        try:
            stage.walk(work, release, rest, pass_id, steps, failure.number + 1)
            return
        except StepFailedError as another:
            failure = another
