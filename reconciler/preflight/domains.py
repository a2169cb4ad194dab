"""Whether domains lead to this host, and who has a certificate for each. Pure: judges facts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from reconciler.certs.model import Pair
from reconciler.certs.names import covers
from reconciler.preflight.facts import DomainSeen
from reconciler.preflight.finding import Finding, Level

# RFC 2606 and 6761: nobody can register these, so no resolver is asked.
_RESERVED = ("test", "example", "invalid", "example.com", "example.net", "example.org")
_LOOPS = ("127.", "::1")
_PROBE = "reconciler-probe"


def is_reserved(name: str) -> bool:
    return any(name == reserved or name.endswith(f".{reserved}") for reserved in _RESERVED)


def is_this_machine(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def asked_name(domain: str) -> str:
    """What a client would look up: a concrete name, where the domain is a wildcard."""
    return domain.replace("*", _PROBE, 1)


def leads_here(seen: DomainSeen, stack: str) -> Finding:
    """A host behind a router does not know its own address, so what looks wrong may be right."""
    name, wanted = f"domain {seen.name}", "A and AAAA records that lead to this host"
    if is_this_machine(seen.name):
        return Finding(name, Level.OK, "this very machine, and nobody else's way here", wanted, stack=stack)
    if is_reserved(seen.name):
        mend = "it is a name for examples, which nobody can have; put your own into the stack's variables"
        return Finding(name, Level.WARNING, "it never resolves", wanted, mend, stack)
    if not seen.addresses:
        mend = "create its A record (and AAAA), or check /etc/resolv.conf if others resolve it"
        return Finding(name, Level.WARNING, "it does not resolve", wanted, mend, stack)
    elsewhere = [address for address in seen.addresses if address not in seen.here]
    if elsewhere:
        mend = (
            "mend its records; or, where these addresses lead here through a router, list them under certs.addresses "
            "in host.yaml"
        )
        found = f"{', '.join(elsewhere)}, which no interface of this host has"
        return Finding(name, Level.WARNING, found, wanted, mend, stack)
    if all(address.startswith(_LOOPS) for address in seen.addresses):
        mend = "take it out of /etc/hosts and create its A record, unless nobody else is to come here"
        return Finding(name, Level.WARNING, "it leads here from this host alone", wanted, mend, stack)
    return Finding(name, Level.OK, ", ".join(seen.addresses), wanted, stack=stack)


def covered(domain: str, pairs: Iterable[Pair], resolver: str, is_here: bool, stack: str) -> Finding:
    """``resolver``: the address that Let's Encrypt (or another ACME server) may write to, "" where none may order.
    ``is_here``: the domain leads to this host, which the CA must find."""
    name, wanted = f"certificate {domain}", "a pair in certs/ that covers it, or a resolver that may order one"
    covering = [pair for pair in pairs if any(covers(own, domain) for own in pair.domains)]
    if covering:
        best = max(covering, key=lambda pair: pair.not_after)
        until = datetime.fromtimestamp(best.not_after, UTC).date().isoformat()
        return Finding(name, Level.OK, f"the pair {best.name} covers it until {until}", wanted, stack=stack)
    if not resolver:
        mend = (
            f"drop a pair for {domain} into certs/ (NAME.crt and NAME.key), or give the ACME resolver an e-mail address"
        )
        return Finding(name, Level.WARNING, "nobody has one", wanted, mend, stack)
    if "*" in domain:
        mend = f"drop a pair for {domain} into certs/; wildcards are only given by DNS challenges"
        return Finding(name, Level.WARNING, "none, and a wildcard is not ordered", wanted, mend, stack)
    if not is_here:
        found = "none yet, and none can be ordered while the domain leads elsewhere"
        return Finding(name, Level.WARNING, found, wanted, "mend the domain first (above)", stack)
    return Finding(name, Level.OK, f"to be ordered by ACME for {resolver}", wanted, stack=stack)
