"""Whether the machine is large enough and its clock right. Pure: judges facts."""

from __future__ import annotations

from reconciler.model.requires import Requires
from reconciler.model.size import shown_size
from reconciler.preflight.facts import Capacity, ClockSeen, Disk
from reconciler.preflight.finding import Finding, Level, judged

_LITTLE_FREE = 10**9  # no large image finds room
_LEAST_FREE = 2 * 10**8  # state can hardly be written
_KERNELS_SHARE = (
    0.92  # of the memory that a machine is sold with, what is left when its firmware and kernel took theirs
)
_SLOW_S = 120.0  # that a clock may differ: what is asked is answered some seconds later
_USELESS_S = 86400.0  # no certificate of Let's Encrypt, no token and no window means what it says any more


def cpus(required: Requires, seen: Capacity, stack: str) -> Finding:
    mend = "" if seen.cpus >= required.cpus else "give the machine more cores; the stack runs, more slowly"
    return judged("cpus", f"{seen.cpus:g}", f"{required.cpus:g}", mend, Level.WARNING, stack)


def memory(required: Requires, seen: Capacity, stack: str) -> Finding:
    enough = seen.memory >= required.memory * _KERNELS_SHARE
    mend = "" if enough else "give the machine more memory; the stack runs until it needs more than there is"
    return judged("memory", shown_size(seen.memory), shown_size(required.memory), mend, Level.WARNING, stack)


def disk(required: Requires, seen: Disk, stack: str, *, is_used: bool) -> Finding:
    """``is_used``: the stack's own data are among what is not free any more, so the whole disk is what counts."""
    if is_used:
        found, wanted = f"a disk of {shown_size(seen.size)}", f"one of {shown_size(required.disk)}"
        enough = seen.size >= required.disk * _KERNELS_SHARE
    else:
        found, wanted = f"{shown_size(seen.free)} free", f"{shown_size(required.disk)} free"
        enough = seen.free >= required.disk
    mend = "" if enough else f"enlarge the disk of {seen.path}, or free some of it; the stack runs until it is full"
    return judged("disk", f"{found} at {seen.path}", wanted, mend, Level.WARNING, stack)


def least_disk(seen: Disk) -> Finding:
    mend = "" if seen.free >= _LITTLE_FREE else f"free some space where {seen.path} lies (docker image prune helps)"
    level = Level.ERROR if seen.free < _LEAST_FREE else Level.WARNING
    found = f"{shown_size(seen.free)} free at {seen.path}"
    return judged("disk", found, f"{shown_size(_LITTLE_FREE)} free", mend, level)


def clock(seen: ClockSeen) -> Finding:
    """A commit may be of somebody whose clock is wrong, and a machine may be kept right by what it runs on: both are worth a
    word and stop nothing."""
    wanted = "the right time, kept by NTP"
    off = seen.now - seen.told if seen.told_by else 0.0
    if abs(off) > _SLOW_S:
        level = Level.ERROR if abs(off) > _USELESS_S else Level.WARNING
        found = f"{_span(off)} {'ahead of' if off > 0 else 'behind'} {seen.told_by}"
        return Finding("clock", level, found, wanted, "set it, and let NTP keep it: timedatectl set-ntp true")
    if seen.committed_at is not None and seen.committed_at - seen.now > _SLOW_S:
        found = f"{_span(seen.committed_at - seen.now)} behind the newest commit"
        mend = "set it (timedatectl set-ntp true), unless the clock of whoever made that commit is fast"
        return Finding("clock", Level.WARNING, found, wanted, mend)
    agreed = f"right, says {seen.told_by}" if seen.told_by else "plausible"
    if seen.is_kept is False:
        mend = "let NTP keep it: timedatectl set-ntp true (or install chrony), unless the host below keeps it"
        return Finding("clock", Level.WARNING, f"{agreed}, but nothing keeps it so", wanted, mend)
    return Finding("clock", Level.OK, agreed, wanted)


def _span(seconds: float) -> str:
    seconds = abs(seconds)
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
