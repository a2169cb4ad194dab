"""Whether a variable may be renewed now, what its new value may be, and which of the two values is in use after a try.
Pure; no message here ever holds a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.action import Action
from reconciler.model.environment import Environment, Mark
from reconciler.model.record import PassRecord, StackRecord
from reconciler.model.renewal import Renewal, Verdict

_SHORTEST = 8  # a shorter one could not be kept out of what a command prints


@dataclass(frozen=True, slots=True)
class Situation:
    """``rendered`` and ``applied``: digests of what Git says and of what runs, "" where there is none; ``problem``: why what
    Git says cannot be rendered. ``rolls``: of the release that brought the variable's present value, if it was renewed.
    ``owes_data``: data are about to be restored. ``is_undoable``: what the stack was adopted from may be started again."""

    record: StackRecord | None
    environment: Environment
    rendered: str
    applied: str
    problem: str = ""
    rolls: str = ""
    open_pass: PassRecord | None = None
    owes_data: bool = False
    is_undoable: bool = False


def why_not(stack: str, variable: str, now: Situation) -> str:
    """Why the variable may not begin to be renewed, and how to mend that; "" where it may. Until it is over, the services
    run with a value that lets nobody in any more: so they must be free to be rolled at once."""
    if now.record is None or now.record.applied_release is None:
        return (
            f"no release of {stack} was ever applied, so nothing has the old value; set {variable} in env/{stack}.env"
        )
    if now.record.suspension is not None:
        return f"{stack} is suspended, so its services could not be rolled afterwards; first: reconciler resume {stack}"
    if now.open_pass is not None:
        return f"{stack} is being worked on, or that was cut short; wait until it is over: reconciler wait {stack}"
    if now.owes_data:
        return f"the data of {stack} are about to be restored; ask again when that is over: reconciler wait {stack}"
    if now.is_undoable:
        return (
            f"the adoption of {stack} is not confirmed: undone, it would start containers again that have the old {variable}. "
            "First: reconciler adopt --confirm"
        )
    if now.problem:
        return f"what Git and env/ say of {stack} cannot be applied, so mend that first: {now.problem}"
    # A renewal whose release failed may be taken back, or done once more: nothing else differs.
    if not now.applied or now.rendered not in (now.applied, now.rolls):
        return (
            f"{stack} does not run what Git and env/{stack}.env say, so it could not be rolled with nothing but a new "
            f"{variable}. See why: reconciler get {stack}; what differs: reconciler diff {stack}"
        )
    return _not_of_the_host(stack, variable, now.environment)


def _not_of_the_host(stack: str, variable: str, environment: Environment) -> str:
    setting = environment.settings.get(variable)
    if setting is None or not setting.value:
        return f"{variable} is not set in env/{stack}.env, so there is no old value that anything could have"
    if not setting.host:
        return (
            f"{variable} is set in {setting.file}, which lies in Git and cannot be changed from here; set the same value in "
            f"env/{stack}.env, which wins over it, and ask again"
        )
    return ""


def wrong_new_value(value: str, old: str) -> str:
    """Why it cannot be the new one, whatever a schema says; "" where it can. It is handed on as one line."""
    if len(value) < _SHORTEST:
        return f"it has fewer than {_SHORTEST} characters"
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        return "it holds a character that cannot be typed in a line"
    if value != value.strip():
        return "it begins or ends with a space"
    return "it is the old one" if value == old else ""


def verdict_of(status: int | None, takes_new: bool | None, takes_old: bool | None) -> Verdict:
    """``status``: of the command, None where it had to be ended. ``takes_new``, ``takes_old``: what ``check`` says of each
    value, None where it was not asked.

    Nothing is certain of a command that had to be ended, or died (137): what it asked for may still be done. And nothing is
    told by a check that takes both values.
    """
    if status == 0 and takes_new is not False:
        return Verdict.NEW
    if takes_new and takes_old is False:
        return Verdict.NEW
    if status not in (None, 0, 137) and takes_new is False and takes_old:
        return Verdict.OLD
    return Verdict.UNKNOWN


def cut_short(pending: Renewal) -> str:
    """What is to be done about a renewal that nobody works on."""
    return (
        f"{pending.variable} is being changed (begun by {pending.who or 'somebody'}), and that is not over: either the old or "
        f"the new value is in use. Go on, with the same new value: reconciler action {pending.stack} {pending.action}. If "
        f"what stands in env/{pending.stack}.env is in use, for sure: reconciler env accept {pending.stack} {pending.variable}"
    )


def renewed_since(marks: tuple[Mark, ...], release: int) -> str:
    """The variable that was renewed after ``release`` was made, which therefore has a value that lets nobody in; "" for
    none."""
    return next((mark.name for mark in marks if release <= mark.renewed_after), "")


def waits_for_nobody(marks: tuple[Mark, ...], digest: str) -> bool:
    """Whether a release brings a value to the services that is in use already."""
    return any(mark.rolls == digest for mark in marks if mark.rolls)


def refused_words(action: Action, words: tuple[str, ...]) -> Iterator[str]:
    if words:
        yield (
            f"{action.name} takes no words: a new value on a command line could be seen by everybody on this host. It is made "
            "at random; to choose it yourself: --ask, or --stdin"
        )
