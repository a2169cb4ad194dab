"""Reads the YAML that users write: strictly where it is ours, leniently where it is Compose's. Takes bytes, does no I/O.

``host.yaml`` and ``stack.yaml`` become plain values that know their lines. Of YAML's many types only those of JSON
count, by the rules of YAML 1.2: ``no`` and ``12:30`` are texts. A Compose file is only looked at for what Compose
answers badly or not at all (YAML bombs, endless aliases); what it means is Compose's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reconciler.declared.yaml_nodes import Composed, Mapping_, Node, Scalar, Sequence, compose_nodes
from reconciler.declared.yaml_words import shown
from reconciler.model.errors import InvalidInputError, Problem

KeyPath: TypeAlias = tuple[str | int, ...]

_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
_BASED = re.compile(r"0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,9})?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_EMPTY = "the file is empty; write its settings, or take the file away"
_NO_MAPPING = "expected keys with values, such as name: value"


@dataclass(frozen=True, slots=True)
class Document:
    """A file's values (those of JSON, as dicts and lists that nobody edits) and where each of them stands.

    ``problems``: what is wrong with the file as YAML and did not keep the rest from being read.
    """

    file: str
    root: Mapping[str, Any]
    lines: Mapping[KeyPath, int] = field(repr=False)
    problems: tuple[Problem, ...] = ()
    overlays: tuple[Document, ...] = ()  # files whose values were laid over this one's, in their order

    def line(self, path: KeyPath) -> int:
        """The line of the key at ``path``, or of the nearest one above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """In the file that has the last word about ``path``."""
        for over in reversed(self.overlays):
            if path and path in over.lines:
                return Problem(over.file, over.lines[path], key_of(path), message)
        return Problem(self.file, self.line(path), key_of(path), message)


@dataclass(frozen=True, slots=True)
class ComposeFile:
    """``references``: other Compose files that it names outright (``include``, ``extends``), relative to its folder;
    those whose names come from variables are not among them."""

    problems: tuple[Problem, ...]
    references: tuple[str, ...] = ()


def key_of(path: KeyPath) -> str:
    """``rollout.services.web`` or ``compose[0]``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in path)
    return "".join(steps).removeprefix(".")


def read_document(content: bytes, file: str) -> Document:
    """A file of ours. Raises InvalidInputError where it cannot be read at all."""
    composed = compose_nodes(content, file)
    root = _only_root(composed, file)
    plain = _Plain(file)
    values = plain.value(root, ())
    return Document(file, values, plain.lines, (*composed.problems, *plain.problems))


def read_compose(content: bytes, file: str) -> ComposeFile:
    """Never raises: all that is wrong is in ``problems``."""
    try:
        composed = compose_nodes(content, file)
    except InvalidInputError as error:
        return ComposeFile(error.problems)
    wrong = [
        Problem(file, line, "", _NO_MAPPING + ", for example services:")
        for root, line in composed.documents
        if not isinstance(root, Mapping_) and not _is_nothing(root)
    ]
    references = tuple(dict.fromkeys(name for root, _ in composed.documents for name in _references(root)))
    return ComposeFile((*composed.problems, *wrong), references)


def _only_root(composed: Composed, file: str) -> Mapping_:
    if not composed.documents:
        raise InvalidInputError((Problem(file, 0, "", _EMPTY),))
    if len(composed.documents) > 1:
        line = composed.documents[1][1]
        raise InvalidInputError(
            (Problem(file, line, "", 'a second document begins here ("---"); one file, one document'),)
        )
    root = composed.documents[0][0]
    if _is_nothing(root):
        raise InvalidInputError((Problem(file, 0, "", _EMPTY),))
    if not isinstance(root, Mapping_):
        raise InvalidInputError((*composed.problems, Problem(file, root.line, "", _NO_MAPPING)))
    return root


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text in _NOTHING


class _Plain:
    """Turns nodes into values, writing aliases out: their number is bounded already, and so is the depth."""

    def __init__(self, file: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._file = file

    def value(self, node: Node, path: KeyPath) -> Any:
        self.lines.setdefault(path, node.line)
        self._check_tag(node, path)
        match node:
            case Scalar():
                return _resolved(node)
            case Sequence():
                return [self.value(item, (*path, index)) for index, item in enumerate(node.items)]
            case Mapping_():
                return dict(self._pairs(node, path))

    def _pairs(self, node: Mapping_, path: KeyPath) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for key, value in node.pairs:
            if not isinstance(key, Scalar) or key.text in seen:
                continue  # told already while it was composed
            seen.add(key.text)
            self._check_tag(key, (*path, key.text))
            if key.text == "<<" and key.plain:
                self._tell(key.line, (*path, "<<"), "merge keys (<<) are not followed in this file; write the keys out")
                continue
            self.lines[(*path, key.text)] = key.line
            yield key.text, self.value(value, (*path, key.text))

    def _check_tag(self, node: Node, path: KeyPath) -> None:
        if node.tag is not None:
            self._tell(node.line, path, f"the tag {shown(node.tag)} has no meaning in this file; take it out")

    def _tell(self, line: int, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(self._file, line, key_of(path), message))


def _resolved(node: Scalar) -> Any:
    """YAML 1.2's core schema. A number beyond what is sensible becomes a float rather than a very long int."""
    if not node.plain or node.tag is not None:
        return node.text
    text = node.text
    if text in _NOTHING:
        return None
    if text in _TRUTHS:
        return _TRUTHS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _references(root: Node) -> Iterator[str]:
    """Where Compose looks for further files: ``include: [path]``, ``include: [{path: ...}]``, ``extends: {file: ...}``."""
    for item in _items(_at(root, "include")):
        yield from _texts(item)
        for path in _items(_at(item, "path")):
            yield from _texts(path)
    services = _at(root, "services")
    if isinstance(services, Mapping_):
        for _, service in services.pairs:
            extends = _at(service, "extends")
            if extends is not None:
                yield from _texts(_at(extends, "file"))


def _at(node: Node | None, key: str) -> Node | None:
    if not isinstance(node, Mapping_):
        return None
    return next((value for name, value in node.pairs if isinstance(name, Scalar) and name.text == key), None)


def _items(node: Node | None) -> tuple[Node, ...]:
    if node is None:
        return ()
    return node.items if isinstance(node, Sequence) else (node,)


def _texts(node: Node | None) -> Iterator[str]:
    if isinstance(node, Scalar) and node.text and "$" not in node.text and "://" not in node.text:
        yield node.text
