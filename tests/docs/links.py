"""Where the pages' links lead: to files of the checkout and to headings in them. Asks no server for the others."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import CHECKOUT, prose

_LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)")
_CODE = re.compile(r"`[^`]*`")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?)(?: +#+)?$", re.MULTILINE)
_ANCHOR = re.compile(r'<a (?:id|name)="([^"]+)"')


def dead_links(page: str) -> tuple[str, ...]:
    return tuple(target for target in _targets(page) if not _leads_somewhere(page, target))


def linked_pages(page: str) -> frozenset[str]:
    """The files that it links to, relative to the checkout."""
    return frozenset(_path(page, target.partition("#")[0]) for target in _targets(page))


def _targets(page: str) -> Iterator[str]:
    for found in _LINK.finditer(_CODE.sub("`…`", prose(page))):
        if not re.match(r"[a-z]+:", found["target"]):
            yield found["target"]


def _leads_somewhere(page: str, target: str) -> bool:
    path, _, anchor = target.partition("#")
    leads_to = CHECKOUT / _path(page, path)
    if not leads_to.exists():
        return False
    return not anchor or anchor in _anchors(leads_to)


def _path(page: str, path: str) -> str:
    return os.path.normpath(Path(page).parent / path) if path else page


def _anchors(path: Path) -> frozenset[str]:
    """As GitHub and GitLab make them of headings; a second one of a name gets a number."""
    text, found = prose(str(path.relative_to(CHECKOUT))), list[str]()
    for heading in _HEADING.finditer(text):
        bare = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", bare).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return frozenset([*found, *_ANCHOR.findall(text)])
