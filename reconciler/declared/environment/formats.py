"""The formats of variables: what each takes, and what is wrong with a text that it does not. Never tells the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from reconciler.declared.schedules import wrong_zone
from reconciler.model.duration import parse_duration

_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_PATH_PREFIX = re.compile(r"/|(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+")
_IMAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._:/-]*(@sha256:[0-9a-f]{64})?")
_MOST_PORT = 65535
_LONGEST_NAME = 253


def wrong(form: str, text: str) -> str:
    """What ``text`` should be instead; "" where it is that."""
    if not form.endswith("-list"):
        return _FORMATS[form](text)
    rule = _FORMATS[form.removesuffix("-list")]
    items = [item.strip() for item in text.split(",")]
    for number, item in enumerate(items, 1):
        if not item:
            return f"entry {number} of the list is empty; take a comma away"
        if why := rule(item):
            several = "; separate several by commas" if " " in item else ""
            return f"{why}{several}" if len(items) == 1 else f"entry {number} of the list: {why}{several}"
    return ""


def _domain(text: str) -> str:
    wanted = "expected a domain such as vault.example.com"
    if "://" in text:
        return f"{wanted}, without https:// before it"
    if "/" in text or ":" in text:
        return f"{wanted}, without a port or a path behind it"
    if "*" in text:
        return f"{wanted}, without *"
    if "_" in text:
        return f"{wanted}, without _"
    if not text.isascii():
        return f"{wanted}; write an international name as its xn-- form"
    is_name = _is_name(text) and not text.rpartition(".")[2].isdigit()
    return "" if is_name and ("." in text or text == "localhost") else wanted


def _host(text: str) -> str:
    is_host = _is_address(text) or (_is_name(text) and not text.rpartition(".")[2].isdigit())
    if "://" in text:
        return "expected the name or the address of a host such as mail.example.com, without https:// before it"
    return "" if is_host else "expected the name or the address of a host, such as mail.example.com, and no port"


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None


def _email(text: str) -> str:
    local, at, domain = text.rpartition("@")
    is_email = bool(at) and _LOCAL_PART.fullmatch(local) is not None and not _domain(domain)
    return "" if is_email else "expected an email address such as ops@example.com"


def _url(text: str) -> str:
    wanted = "expected a URL such as https://vault.example.com"
    if "://" not in text:
        return f"{wanted}, with http:// or https:// before it"
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) <= _MOST_PORT
    except ValueError:
        is_url = False
    return "" if is_url and not any(character.isspace() for character in text) else wanted


def _ip(text: str) -> str:
    return "" if _is_address(text) else "expected an address such as 192.0.2.1 or 2001:db8::1"


def _is_address(text: str) -> bool:
    try:
        return bool(str(ip_address(text)))
    except ValueError:
        return False


def _cidr(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return "expected an address or a network such as 192.0.2.0/24 or 2001:db8::/32"
    return ""


def _duration(text: str) -> str:
    try:
        parse_duration(text)
    except ValueError:
        return "expected a duration such as 12h: one whole number and one of the units ms, s, m, h, d"
    return ""


def _port(text: str) -> str:
    is_port = text.isascii() and text.isdigit() and 0 < int(text[:6]) <= _MOST_PORT
    return "" if is_port else f"expected a port, a whole number from 1 to {_MOST_PORT}"


def _path_prefix(text: str) -> str:
    wanted = "expected a path such as /dashboard, or / for all"
    if not text.startswith("/"):
        return f"{wanted}; begin it with /"
    if text != "/" and text.endswith("/"):
        return f"{wanted}; take the / at its end away"
    return "" if _PATH_PREFIX.fullmatch(text) else wanted


def _timezone(text: str) -> str:
    return "expected a time zone such as Europe/Paris" if wrong_zone(text) else ""


def _image(text: str) -> str:
    return "" if _IMAGE.fullmatch(text) else "expected an image such as registry.example.com/shop/web:1.2"


def _file_name(text: str) -> str:
    is_name = "/" not in text and "\\" not in text and text not in (".", "..")
    return "" if is_name else "expected the name of a file such as ca.pem, without a folder"


def _path(text: str) -> str:
    return "" if text == text.strip() and "\n" not in text else "expected a path such as ./backup or /srv/backup"


_FORMATS: dict[str, Callable[[str], str]] = {
    "domain": _domain,
    "host": _host,
    "email": _email,
    "url": _url,
    "ip": _ip,
    "cidr": _cidr,
    "duration": _duration,
    "port": _port,
    "path-prefix": _path_prefix,
    "timezone": _timezone,
    "image": _image,
    "file-name": _file_name,
    "path": _path,
}
