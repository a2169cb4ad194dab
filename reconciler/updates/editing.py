"""Puts another image into a Compose file, or into the env file that it comes from, and touches nothing else: comments,
quotes and order stay. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from reconciler.model.updates import ImageRecord

_WHOLE = re.compile(r"\$(?:\{(?P<name>\w+)(?:(?P<how>:?-)(?P<default>[^{}$]*))?\}|(?P<bare>\w+))")
_ENV_LINE = r"(?m)^(?P<key>[ \t]*(?:export[ \t]+)?{name}[ \t]*=[ \t]*)(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s#][^#\n]*?)?(?P<rest>[ \t]*(?:[ \t]#.*)?)$"

Read = Callable[[str], str | None]  # a file of the stack's folder as text; None where there is none


class CannotEditError(Exception):
    """``str(error)``: why, for people."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where an image may be written: files relative to the repository's root, those that win last. ``by_host``: variables
    that this host sets itself."""

    compose_files: tuple[str, ...]
    env_files: tuple[str, ...]
    by_host: frozenset[str]


def edited(record: ImageRecord, places: Places, read: Read) -> Mapping[str, str]:
    """The files that change, with their new text; none where all is written already. Raises CannotEditError."""
    for file in reversed(places.compose_files):
        text = read(file)
        try:
            node = None if text is None else _image_node(text, record.service)
            if text is not None and node is not None:
                return _in_compose(file, text, node, record, places, read)
        except yaml.YAMLError as error:
            raise CannotEditError(f"{file} cannot be read as YAML") from error
    raise CannotEditError(f"none of {', '.join(places.compose_files)} writes services.{record.service}.image itself")


def _in_compose(
    file: str, text: str, node: yaml.ScalarNode, record: ImageRecord, places: Places, read: Read
) -> Mapping[str, str]:
    begin, end = node.start_mark.index, node.end_mark.index
    raw = text[begin:end]
    if raw[:1] in ("&", "!"):
        raise _shared(file, record.service)
    quote = raw[0] if raw[:1] in ("'", '"') else ""
    written = raw[1:-1] if quote else raw
    variable = _WHOLE.fullmatch(written.rpartition(":")[2]) if written.endswith("}") or "$" in written else None
    whole = _WHOLE.fullmatch(written)
    if whole is None and variable is None:
        if "$" in written:
            raise CannotEditError(f"{file}: services.{record.service}.image is put together from variables: {written}")
        return _replaced(file, text, begin, end, f"{quote}{record.reference}{quote}", record.service)
    found, value = (whole, record.reference) if whole else (variable, f"{record.tag}@{record.digest}")
    assert found is not None
    name = found["name"] or found["bare"]
    _refuse_shared(name, places, read)
    if name in places.by_host:
        raise CannotEditError(f"{name}, which the image of {record.service} comes from, is set by this host itself")
    for env_file in reversed(places.env_files):
        env_text = read(env_file)
        changed = None if env_text is None else _in_env_file(env_text, name, value)
        if env_text is not None and changed is not None:
            return {} if changed == env_text else {env_file: changed}
    if found["default"] is None:
        raise CannotEditError(f"{name}, which the image of {record.service} comes from, is in no env file of the stack")
    offset = written.rindex(found.group()) + found.start("default") - found.start()
    inside = begin + len(quote) + offset
    return _replaced(file, text, inside, inside + len(found["default"]), value, record.service)


def _replaced(file: str, text: str, begin: int, end: int, value: str, service: str) -> Mapping[str, str]:
    """Held against the file before: nothing but that one image differs, not even by way of an anchor."""
    changed = text[:begin] + value + text[end:]
    before, after = dict(_flat(text)), dict(_flat(changed))
    differs = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    if differs - {f".services.{service}.image"}:
        raise _shared(file, service)
    return {} if changed == text else {file: changed}


def _shared(file: str, service: str) -> CannotEditError:
    return CannotEditError(
        f"{file}: the image of {service} is shared with others by an anchor, or tagged; write it out"
    )


def _refuse_shared(name: str, places: Places, read: Read) -> None:
    """A variable that says something else, too, would make another release of it."""
    use = re.compile(rf"\$\{{{name}\b|\${name}\b")
    uses = sum(len(use.findall(read(file) or "")) for file in places.compose_files)
    if uses > 1:
        raise CannotEditError(
            f"the variable {name} is used {uses} times in the Compose files; give the image one of its own"
        )


def _in_env_file(text: str, name: str, value: str) -> str | None:
    """None where the variable is not there. The last line that sets it counts."""
    lines = list(re.finditer(_ENV_LINE.replace("{name}", re.escape(name)), text))
    if not lines:
        return None
    found = lines[-1]
    old = found["value"] or ""
    quote = old[0] if old[:1] in ("'", '"') else ""
    return f"{text[: found.start()]}{found['key']}{quote}{value}{quote}{found['rest']}{text[found.end() :]}"


def _image_node(text: str, service: str) -> yaml.ScalarNode | None:
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    for key in ("services", service, "image"):
        node = _at(node, key)
    return node if isinstance(node, yaml.ScalarNode) else None


def _at(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if getattr(name, "value", None) == key), None)


def _flat(text: str) -> Iterator[tuple[str, str]]:
    ahead: list[tuple[str, yaml.Node | None]] = [("", yaml.compose(text, Loader=yaml.SafeLoader))]
    while ahead:
        path, node = ahead.pop()
        if isinstance(node, yaml.MappingNode):
            ahead += [(f"{path}.{getattr(name, 'value', '?')}", value) for name, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            ahead += [(f"{path}[{index}]", value) for index, value in enumerate(node.value)]
        elif isinstance(node, yaml.ScalarNode):
            yield path, str(node.value)


def below(folder: str, names: Sequence[str]) -> tuple[str, ...]:
    """Relative to the repository's root."""
    return tuple(posixpath.normpath(posixpath.join(folder, name)) for name in names)
