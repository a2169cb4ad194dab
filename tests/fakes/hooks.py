"""Hooks that are only written down. ``ends``: how each is to end, by its name; whatever is not named works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.model.hook import Phase
from reconciler.model.hook_call import HookCall, HookEnd


@dataclass
class FakeHooks:
    """``during``: called while each runs, with its call."""

    ends: dict[str, HookEnd] = field(default_factory=dict)
    calls: list[HookCall] = field(default_factory=list)
    cleared: list[tuple[Phase, str]] = field(default_factory=list)
    during: Callable[[HookCall], None] = lambda _: None

    def run(self, call: HookCall) -> HookEnd:
        self.calls.append(call)
        self.during(call)
        return self.ends.get(call.hook.name, HookEnd(0, "all is well"))

    def clear(self, stack: str, phase: Phase, name: str) -> None:
        self.cleared.append((phase, name))

    @property
    def ran(self) -> list[str]:
        return [f"{call.hook.phase} {call.hook.name}" for call in self.calls]
