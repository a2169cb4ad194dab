"""Whether ports are free or ours, and what services talk to answers. Pure: judges facts."""

from __future__ import annotations

from reconciler.preflight.facts import PortSeen
from reconciler.preflight.finding import Finding, Level, judged


def port(seen: PortSeen, stack: str, root: str) -> Finding:
    """``root``: this one's identity. What a Compose project of the stack's name holds, the stack takes over."""
    wanted = "free, or held by this stack"
    publisher = seen.publisher
    if publisher is not None and publisher.project == stack and publisher.root in ("", root):
        who = "this stack" if publisher.root else f"the project {stack}, which is taken over"
        return Finding(_name(seen.port), Level.OK, f"held by {who} ({publisher.name})", wanted, stack=stack)
    if publisher is not None and publisher.root == root:
        found = f"held by the stack {publisher.project} (container {publisher.name})"
        return Finding(_name(seen.port), Level.ERROR, found, wanted, "publish another port in one of the two", stack)
    if publisher is not None:
        whose = f" of the project {publisher.project}" if publisher.project else ""
        mend = f"publish another port, or end the container {publisher.name}: docker stop {publisher.name}"
        found = f"held by the container {publisher.name}{whose}"
        return Finding(_name(seen.port), Level.ERROR, found, wanted, mend, stack)
    if seen.is_free:
        return Finding(_name(seen.port), Level.OK, "free", wanted, stack=stack)
    holder = seen.holder or "another program (ss -lntup, as root, shows which)"
    mend = "end that program, or publish another port"
    return Finding(_name(seen.port), Level.ERROR, f"held by {holder}", wanted, mend, stack)


def _name(port: str) -> str:
    address, _, number = port.rpartition(":")
    number = number.removesuffix("/tcp")
    return f"port {number}" if address in ("0.0.0.0", "") else f"port {address}:{number}"


def reach(target: str, fault: str, stack: str) -> Finding:
    """``fault``: why nobody answered there, "" if somebody did."""
    mend = f"check the name and port, and that a firewall lets this host out to {target}" if fault else ""
    return judged(f"reach {target}", fault or "it answers", "it answers", mend, Level.WARNING, stack)


def split_target(target: str) -> tuple[str, int] | None:
    """Host and port of ``host:port``; None where one of them is missing, as when the variables that say it are not set."""
    host, _, number = target.rpartition(":")
    host = host.strip("[] ")
    return (host, int(number)) if host and number.isascii() and number.isdigit() and 0 < int(number) < 65536 else None
