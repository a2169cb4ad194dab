"""Turns the bytes of a YAML file into nodes that know their lines, within bounds that hold for any input.

PyYAML's scanner gives events; the nodes are put together here, without recursion and without ever writing an alias
out, so that neither a deep nor an exponential file can hurt us or whoever is handed the file next. What the nodes
mean is not decided here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from reconciler.declared.yaml_words import TOO_DEEP, shown, what_broke
from reconciler.model.errors import InvalidInputError, Problem

MOST_BYTES = 1024 * 1024
MOST_DEPTH = 100
# Compose 2.26 compares every use of an anchor with every other one: 20,000 of them cost it 9 s, 5,000 0.7 s.
MOST_ALIASES = 5000
MOST_PROBLEMS = 100  # nobody reads more, and a file of nothing else must not fill the memory
# What a file may grow to once its aliases are written out, in characters; each node counts as 16. A Compose file of
# a hundred services that share anchors is below 200,000.
MOST_EXPANDED = 2_000_000

_NODE_COST = 16
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """``plain``: written without quotes, so its text may mean a number or a truth value."""

    line: int
    tag: str | None
    text: str
    plain: bool
    size: int
    depth: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    line: int
    tag: str | None
    items: tuple[Scalar | Sequence | Mapping_, ...]
    size: int
    depth: int


@dataclass(frozen=True, slots=True, eq=False)
class Mapping_:
    """``pairs``: every pair as written, duplicates included."""

    line: int
    tag: str | None
    pairs: tuple[tuple[Scalar | Sequence | Mapping_, Scalar | Sequence | Mapping_], ...]
    size: int
    depth: int


Node: TypeAlias = Scalar | Sequence | Mapping_


@dataclass(frozen=True, slots=True)
class Composed:
    """``documents``: root and first line of each. ``problems``: those that do not keep the rest from being read."""

    documents: tuple[tuple[Node, int], ...]
    problems: tuple[Problem, ...] = ()


def compose_nodes(content: bytes, file: str) -> Composed:
    """Raises InvalidInputError for what cannot be read at all; ``file`` is the name in its problems."""
    text = _decoded(content, file)
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        raise InvalidInputError((*builder.problems, what_broke(error, text.splitlines(), file))) from error
    return Composed(tuple(builder.documents), tuple(builder.problems))


def _decoded(content: bytes, file: str) -> str:
    if len(content) > MOST_BYTES:
        raise _refused(file, 0, f"the file is larger than {MOST_BYTES // 1024} KiB; it cannot be meant as it is")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused(file, 1, "the file is UTF-16; save it as UTF-8")
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        offset = error.start + len(content) - len(error.object)
        line = content.count(b"\n", 0, offset) + 1
        found = f"byte 0x{content[offset]:02x} at offset {offset} is not UTF-8; save the file as UTF-8"
        raise _refused(file, line, found) from error
    unprintable = _UNPRINTABLE.search(text)
    if unprintable is not None:
        line = text.count("\n", 0, unprintable.start()) + 1
        raise _refused(file, line, f"a control character (U+{ord(unprintable[0]):04X}); YAML allows none: take it out")
    return text


def _refused(file: str, line: int, message: str) -> InvalidInputError:
    return InvalidInputError((Problem(file, line, "", message),))


class _Open:
    """A sequence or mapping whose end is not reached yet."""

    __slots__ = ("anchor", "children", "depth", "is_mapping", "keys", "line", "size", "tag")

    def __init__(self, event: yaml.CollectionStartEvent) -> None:
        self.is_mapping = isinstance(event, yaml.MappingStartEvent)
        self.line = _line_of(event)
        self.anchor: str | None = event.anchor
        self.tag: str | None = event.tag
        self.children: list[Node] = []
        self.keys: dict[str, int] = {}
        self.size = _NODE_COST
        self.depth = 0

    @property
    def wants_key(self) -> bool:
        return self.is_mapping and len(self.children) % 2 == 0

    @property
    def step(self) -> str:
        """The part of a key path that leads to the child that is being read."""
        if not self.is_mapping:
            return f"[{len(self.children)}]"
        key = self.children[len(self.children) - (1 if len(self.children) % 2 else 2)] if self.children else None
        return "." + shown(key.text) if isinstance(key, Scalar) else ".?"

    def closed(self) -> Node:
        if not self.is_mapping:
            return Sequence(self.line, self.tag, tuple(self.children), self.size, self.depth)
        pairs = tuple(zip(self.children[::2], self.children[1::2], strict=True))
        return Mapping_(self.line, self.tag, pairs, self.size, self.depth)


class _Builder:
    """Puts the events of one file together. Holds only what is open, so its depth is a list's and not the stack's."""

    def __init__(self, file: str) -> None:
        self.documents: list[tuple[Node, int]] = []
        self.problems: list[Problem] = []
        self._file = file
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._document_line = 1
        self._expanded = 0
        self._aliases = 0

    def take(self, event: yaml.Event) -> None:
        """Raises InvalidInputError as soon as a bound is passed."""
        line = _line_of(event)
        match event:
            case yaml.DocumentStartEvent():
                # Anchors stay: YAML ends them with their document, but Compose's reader lets the next one use them.
                self._document_line = line
            case yaml.ScalarEvent():
                scalar = _scalar(event)
                self._count(scalar.size, line)
                self._add(scalar, event.anchor, line)
            case yaml.AliasEvent():
                self._count_alias(line)
                node = self._aliased(event.anchor or "", line)
                self._count(node.size, line)
                self._add(node, None, line)
            case yaml.CollectionStartEvent():
                self._count(_NODE_COST, line)
                self._open.append(_Open(event))
                self._check_depth(0, line)
            case yaml.CollectionEndEvent():
                ended = self._open.pop()
                self._add(ended.closed(), ended.anchor, ended.line)
            case _:
                pass

    def _count(self, size: int, line: int) -> None:
        self._expanded += size
        if self._expanded > MOST_EXPANDED:
            how = " once its aliases (*name) are written out" if self._aliases else ""
            raise _refused(self._file, line, f"the file holds far too much{how}")

    def _count_alias(self, line: int) -> None:
        self._aliases += 1
        if self._aliases > MOST_ALIASES:
            raise _refused(self._file, line, f"the file has more than {MOST_ALIASES} aliases (*name)")

    def _check_depth(self, below: int, line: int) -> None:
        if len(self._open) + below > MOST_DEPTH:
            raise _refused(self._file, line, TOO_DEEP)

    def _aliased(self, anchor: str, line: int) -> Node:
        name = shown(anchor)
        if any(parent.anchor == anchor for parent in self._open):
            self._tell(line, f"*{name} stands inside &{name}, so it would contain itself")
        elif (node := self._anchors.get(anchor)) is not None:
            return node
        else:
            self._tell(line, f"*{name} has no &{name} above it; a text that begins with * needs quotes")
        return Scalar(line, None, "", True, _NODE_COST)

    def _add(self, node: Node, anchor: str | None, line: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self.documents.append((node, self._document_line))
            return
        parent = self._open[-1]
        if parent.wants_key:
            self._check_key(parent, node, line)
        parent.children.append(node)
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)
        self._check_depth(node.depth, line)

    def _check_key(self, parent: _Open, key: Node, line: int) -> None:
        if not isinstance(key, Scalar):
            message = "a list or mapping stands where a key belongs; a text that begins with { or [ needs quotes"
            self._tell(line, message, key="")
            return
        first = parent.keys.get(key.text)
        if first is None:
            parent.keys[key.text] = line
            return
        where = "on this line, too" if first == line else f"on line {first}"
        self._tell(line, f'duplicate key "{shown(key.text)}"; the first is {where}', key=key.text)

    def _tell(self, line: int, message: str, key: str | None = None) -> None:
        """``key``: the key that is being read, "" for one that has no text; None where a value is being read."""
        if len(self.problems) == MOST_PROBLEMS:
            return
        frames = self._open if key is None else self._open[:-1]
        path = "".join(frame.step for frame in frames) + (f".{shown(key)}" if key else "")
        self.problems.append(Problem(self._file, line, path.removeprefix("."), message))


def _line_of(event: yaml.Event) -> int:
    return 1 if event.start_mark is None else event.start_mark.line + 1


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    return Scalar(
        line=_line_of(event),
        tag=event.tag,
        text=event.value,
        plain=not event.style,
        size=_NODE_COST + len(event.value),
    )
