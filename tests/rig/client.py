"""Asks a stack over https as a browser would, whatever its certificate: what the demo and a person look through.

`client.py once PORT HOST PATH` prints status and body. `client.py watch PORT HOST PATH` asks again and again until SIGTERM
(five minutes at most) and then prints how many requests there were, how many failed, and which answers were seen in which order.
"""

import http.client
import signal
import ssl
import sys
import threading
import time

PAUSE_S = 0.01
ANSWER_WITHIN_S = 5.0
WATCH_AT_MOST_S = 300.0


def main(command: str, port: str, host: str, path: str) -> int:
    if command == "once":
        status, body = ask(int(port), host, path)
        print(f"{status} {body}")
        return 0 if status == 200 else 1
    watch(int(port), host, path)
    return 0


def ask(port: int, host: str, path: str) -> tuple[int, str]:
    """One request on a connection of its own; raises OSError or HTTPException when there is no answer."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=ANSWER_WITHIN_S, context=context)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace").strip()
    finally:
        connection.close()


def watch(port: int, host: str, path: str) -> None:
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    requests, failed, seen = 0, 0, list[str]()
    started = time.monotonic()
    while not ending.is_set() and time.monotonic() - started < WATCH_AT_MOST_S:
        requests += 1
        try:
            status, body = ask(port, host, path)
        except (OSError, http.client.HTTPException) as error:
            status, body = 0, type(error).__name__
        if status != 200:
            failed += 1
        elif seen[-1:] != [body]:
            seen.append(body)
        ending.wait(PAUSE_S)
    seconds = time.monotonic() - started
    print(f"{requests} requests in {seconds:.0f} s, {failed} failed, versions seen: {' then '.join(seen)}")


if __name__ == "__main__":
    if len(sys.argv) != 5 or sys.argv[1] not in ("once", "watch"):
        sys.exit("usage: client.py once|watch PORT HOST PATH")
    sys.exit(main(*sys.argv[1:]))
