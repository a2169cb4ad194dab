"""A web app of one file that stands in for the server and the dashboard of the sample stack.

`serve` answers /healthz, /version, / (rows in the database), POST / (adds one), /slow?s=SECONDS, and with its version again and
again /stream?s=SECONDS and, as a WebSocket, /socket?s=SECONDS; SIGTERM lets the requests under way finish. `healthcheck` exits 0 when /healthz answers 200; `super-admin` prints a link
that opens /superadmin for five minutes. Three versions misbehave on purpose:
`crash` (exits 1 at once), `unhealthy` (never healthy), `fails-late` (healthy for FAIL_AFTER_S seconds, then 500).
"""

import contextlib
import os
import sys
import time

VERSION = os.environ.get("APP_VERSION", "dev")
PORT = int(next((os.environ[k] for k in ("PORT", "PRO_SERVER_PORT", "PRO_DASHBOARD_PORT") if os.environ.get(k)), 3000))
FAIL_AFTER_S = float(os.environ.get("FAIL_AFTER_S", "20"))
LAST_REQUEST_WITHIN_S = 20.0
WORD_EVERY_S = 0.1
WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
STARTED = time.monotonic()


def main(command):
    if command == "healthcheck":
        return 0 if is_healthy() else 1
    if command == "super-admin":
        print(super_admin_link())
        return 0
    if VERSION == "crash":
        print("app: cannot start: the configuration of this version is broken on purpose", flush=True)
        return 1
    serve()
    return 0


def is_healthy():
    """Asks by hand: importing an HTTP client would cost more than the whole check."""
    import socket

    with socket.create_connection(("127.0.0.1", PORT), timeout=2) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        return b" 200 " in connection.recv(64)


def health():
    if VERSION == "unhealthy":
        return 503, "never healthy, on purpose"
    if VERSION == "fails-late" and time.monotonic() - STARTED > FAIL_AFTER_S:
        return 500, f"failing since second {FAIL_AFTER_S:g}, on purpose"
    return 200, "ok"


def super_admin_link():
    until = str(int(time.time()) + 300)
    return f"{os.environ.get('PRO_DASHBOARD_PUBLIC_URL', '')}/superadmin?until={until}&sign={signature(until)}"


def signature(text):
    import hmac

    key = os.environ.get("DASHBOARD_SESSION_SECRET", "none").encode()
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def opens(query):
    """Whether the link is one of ours, and not too old."""
    import hmac

    until, sign = (query.get(name, [""])[0] for name in ("until", "sign"))
    return until.isdigit() and hmac.compare_digest(sign, signature(until)) and time.time() < int(until)


class NoDatabaseError(Exception):
    """The database cannot be asked just now."""


def query(*statements):
    """Runs the statements in one transaction and gives the first value of the last one."""
    import psycopg2

    try:
        connection = psycopg2.connect(
            host=os.environ["DB_HOST"],
            port=os.environ.get("DB_PORT", "5432"),
            dbname=os.environ.get("DB_NAME", "pro"),
            user=os.environ["DB_USER"],
            password=os.environ["DB_PASS"],
            connect_timeout=3,
        )
        with contextlib.closing(connection), connection, connection.cursor() as cursor:
            # Two apps share the table and may both find it missing.
            cursor.execute("select pg_advisory_xact_lock(1)")
            cursor.execute("create table if not exists visits (at timestamptz default now())")
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchone()[0]
    except psycopg2.Error as error:
        raise NoDatabaseError(type(error).__name__) from error


def serve():
    import base64
    import hashlib
    import signal
    import socketserver
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from urllib.parse import parse_qs, urlsplit

    def seconds(url):
        return min(60.0, float(parse_qs(url.query).get("s", ["1"])[0]))

    def words(lasts_s):
        until = time.monotonic() + lasts_s
        while time.monotonic() < until:
            yield (VERSION + "\n").encode()
            time.sleep(WORD_EVERY_S)

    idle = threading.Condition()
    under_way = 0
    ending = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_GET(self):
            self.count(self.get)

        def do_POST(self):
            self.count(self.post)

        def count(self, answer):
            nonlocal under_way
            with idle:
                under_way += 1
            try:
                answer()
            finally:
                with idle:
                    under_way -= 1
                    idle.notify_all()

        def get(self):
            url = urlsplit(self.path)
            if url.path == "/healthz":
                self.answer(*health())
            elif url.path == "/version":
                self.answer(200, VERSION)
            elif url.path == "/superadmin":
                self.answer(*((200, "super admin") if opens(parse_qs(url.query)) else (403, "this link is not valid")))
            elif url.path == "/slow":
                time.sleep(seconds(url))
                self.answer(200, VERSION)
            elif url.path == "/stream":
                self.stream(seconds(url))
            elif url.path == "/socket":
                self.socket(seconds(url))
            elif url.path == "/":
                self.rows("select count(*) from visits")
            else:
                self.answer(404, "not found")

        def stream(self, lasts_s):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for word in words(lasts_s):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(word), word))
            self.wfile.write(b"0\r\n\r\n")

        def socket(self, lasts_s):
            key = self.headers.get("Sec-WebSocket-Key", "").encode()
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key + WEBSOCKET).digest()).decode())
            self.end_headers()
            for word in words(lasts_s):
                self.wfile.write(b"\x81%c%s" % (len(word), word))
            self.wfile.write(b"\x88\x00")
            self.close_connection = True

        def post(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.rows("insert into visits default values", "select count(*) from visits")

        def rows(self, *statements):
            if "DB_HOST" not in os.environ:
                self.answer(200, f"version {VERSION}, no database")
                return
            try:
                self.answer(200, f"version {VERSION}, {query(*statements)} rows")
            except NoDatabaseError as error:
                self.answer(503, f"version {VERSION}, no database: {error}")

        def answer(self, status, text):
            body = (text + "\n").encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-App-Version", VERSION)
            if ending.is_set():
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

        def server_bind(self):
            # The parent class asks the name service for our own name here, which can take seconds in a container.
            socketserver.TCPServer.server_bind(self)
            self.server_name, self.server_port = "app", PORT

        def handle_error(self, request, client_address):
            # A client that hangs up is no fault of the app: scenarios cut connections on purpose, and read this log.
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)

    server = Server(("", PORT), Handler)

    def end(*_):
        ending.set()
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print(f"app {VERSION} listens on {PORT}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.socket.close()
    with idle:
        finished = idle.wait_for(lambda: under_way == 0, timeout=LAST_REQUEST_WITHIN_S)
    print("app ended, every request answered" if finished else "app ended with requests under way", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "serve"))
