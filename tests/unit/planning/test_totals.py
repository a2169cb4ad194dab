"""Laws of what Compose is told when it creates: it takes away what it counts as too many, so every count must be right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.observed import Container, Probe, State
from reconciler.model.plan import CreateContainers, Existing, New, RemoveContainer, StartContainer, StopContainer
from tests.builders import decide, healthy, made, port, release, seen, volume

NAMES = ("a", "b", "c")
DEFINITIONS: tuple[dict[str, Any], ...] = (
    {},
    healthy(),
    {"ports": [port(80)]},
    {"volumes": [volume("v")]},
    {"volumes": [{"type": "volume", "target": "/anonymous"}]},
)


@st.composite
def services(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in draw(st.sets(st.sampled_from(NAMES), min_size=1)):
        definition = dict(draw(st.sampled_from(DEFINITIONS)))
        definition |= {"user": draw(st.sampled_from(["1", "2"])), "scale": draw(st.integers(0, 3))}
        if "ports" in definition:  # which one container alone can hold
            definition |= {"ports": [port(80 + NAMES.index(name))], "scale": min(definition["scale"], 1)}
        needs = draw(st.sets(st.sampled_from([other for other in NAMES if other < name] or [""])))
        definition["depends_on"] = sorted(needs & found.keys())
        found[name] = definition
    return {name: found[name] for name in sorted(found)}


@st.composite
def containers(draw: st.DrawFn, *of: Any) -> tuple[Container, ...]:
    """Any leftovers of any of the releases, in any state."""
    found: list[Container] = []
    for number in range(draw(st.integers(0, 5))):
        origin = draw(st.sampled_from(of))
        spec = draw(st.sampled_from(origin.services))
        state = draw(st.sampled_from([State.RUNNING, State.EXITED, State.CREATED, State.PAUSED, State.DEAD]))
        probe = (
            draw(st.sampled_from([Probe.HEALTHY, Probe.STARTING, Probe.UNHEALTHY])) if spec.healthcheck else Probe.NONE
        )
        found.append(
            replace(
                made(origin, spec.name, number + 1, state=state, exit_code=draw(st.sampled_from([0, 1]))), probe=probe
            )
        )
    return tuple(found)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Any, Any, tuple[Container, ...]]:
    before, wanted = release(draw(services())), release(draw(services()))
    return before, wanted, draw(containers(before, wanted))


@settings(max_examples=100, deadline=None)
@given(situations())
def test_compose_is_told_what_is_there_plus_what_is_new_for_every_service(situation: Any) -> None:
    before, wanted, there = situation
    found = decide(wanted, seen(*there, of=[wanted, before]), previous=before)
    for step in found.steps:
        if not isinstance(step.action, CreateContainers):
            continue
        told = dict(step.action.totals)
        assert told.keys() == {spec.name for spec in wanted.services}
        for spec in wanted.services:
            existing = sum(1 for container in there if container.service == spec.name)
            news = {ref for ref in _refs(found) if isinstance(ref, New) and ref.service == spec.name}
            made_here = len(news) if spec.name in step.action.services else 0
            assert told[spec.name] == existing + made_here


@settings(max_examples=100, deadline=None)
@given(situations())
def test_a_container_goes_in_order_stopped_once_then_removed_once_and_nothing_after(situation: Any) -> None:
    before, wanted, there = situation
    found = decide(wanted, seen(*there, of=[wanted, before]), previous=before)
    running = {container.id for container in there if container.running}
    stopped: set[str] = set()
    gone: set[str] = set()
    for step in found.steps:
        match step.action:
            case StopContainer(Existing(identity)):
                assert identity not in stopped | gone
                stopped.add(identity)
            case RemoveContainer(Existing(identity)):
                assert identity not in gone
                assert identity not in running - stopped
                gone.add(identity)
            case StartContainer(Existing(identity)):
                assert identity not in stopped | gone


def _refs(found: Any) -> set[Any]:
    refs: set[Any] = set()
    for step in found.steps:
        refs.add(getattr(step.action, "ref", None))
        refs.update(getattr(step.action, "refs", ()))
    return refs
