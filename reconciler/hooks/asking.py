"""A GET request that is repeated until it is answered as expected. Follows no redirect; decides nothing about releases."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping

import certifi
import urllib3

from reconciler.hooks.tail import Tail
from reconciler.model.errors import StalledError
from reconciler.model.hook import Http
from reconciler.model.hook_call import HookCall, HookEnd
from reconciler.ports.clock import Clock

_ONE_S = 10.0  # for one answer
_MOST_BYTES = 1024 * 1024  # of a body
_PAUSES_S = (0.2, 0.5, 1.0, 2.0)
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def filled(url: str, variables: Mapping[str, str]) -> str:
    """Raises StalledError for a variable that is not set."""
    missing = sorted({name for name in _VARIABLE.findall(url) if name not in variables})
    if missing:
        raise StalledError(
            f"{url} needs {', '.join(missing)}, which is not set; set it in env/<stack>.env, or in a file of env.files",
            reason="HookFailed",
        )
    return _VARIABLE.sub(lambda found: variables[found[1]], url)


def ask(http: Http, call: HookCall, clock: Clock) -> HookEnd:
    """Until the timeout. Each other answer is told once."""
    url = filled(http.url, call.variables)
    tail = Tail(call.told, call.clean)
    deadline = clock.monotonic() + call.hook.timeout_s
    fault, tries = "", 0
    with urllib3.PoolManager(ssl_context=_context(http.insecure), retries=False) as pool:
        while True:
            found = _fault(pool, http, url, max(0.1, min(_ONE_S, deadline - clock.monotonic())))
            if not found:
                return HookEnd(0, tail.end())
            if found != fault:
                tail.take(f"GET {url}: {found}\n".encode())
            fault = found
            if call.stop():
                return HookEnd(None, tail.end(), interrupted=True)
            pause_s = _PAUSES_S[min(tries, len(_PAUSES_S) - 1)]
            if clock.monotonic() + pause_s >= deadline:
                within = f"{call.hook.timeout_s:g} s"
                return HookEnd(1, tail.end(), call.clean(f"GET {url} was not answered as expected within {within}"))
            clock.sleep(pause_s)
            tries += 1


def _context(insecure: bool) -> ssl.SSLContext:
    """Trusts what this host trusts, and the public roots."""
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(certifi.where())
    return context


def _fault(pool: urllib3.PoolManager, http: Http, url: str, within_s: float) -> str:
    """What is wrong with the answer, "" if nothing is."""
    try:
        answer = pool.request("GET", url, timeout=within_s, redirect=False, preload_content=False)
        try:
            if answer.status != http.expect:
                return f"status {answer.status}, not {http.expect}"
            return _fault_in(http, answer.read(_MOST_BYTES, decode_content=True)) if _looks_in(http) else ""
        finally:
            answer.close()
    except (urllib3.exceptions.HTTPError, ValueError, OSError) as error:
        return _in_short(error)


def _looks_in(http: Http) -> bool:
    return bool(http.contains or http.matches)


def _fault_in(http: Http, body: bytes) -> str:
    text = body.decode(errors="replace")
    if http.contains and http.contains not in text:
        return f"the body does not contain {http.contains!r}"
    if http.matches and re.search(http.matches, text) is None:
        return f"the body does not match {http.matches!r}"
    return ""


def _in_short(error: Exception) -> str:
    """urllib3 quotes objects of its own, with addresses in memory that are others each time."""
    cause = error.__cause__ or error
    return str(cause).partition("object at 0x")[2].partition(">: ")[2] or str(cause)
