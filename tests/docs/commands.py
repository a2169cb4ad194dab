"""The commands of ``reconciler`` that the pages name, in blocks and in the midst of a sentence, parsed by the program itself.

Runs none of them, and reads no value: whether a stack is there is another matter than whether an option is.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator

import click

from reconciler.cli.main import cli
from tests.docs.pages import Command, blocks, prose

_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_OPERATORS = frozenset("();<>|&")
_NAME_OR_DOTS = re.compile(r"…|\.\.\.")


def named_in(page: str) -> tuple[tuple[int, str], ...]:
    """Line, and the words behind ``reconciler``, of each that the page names."""
    within = (
        (command.line, found)
        for block in blocks(page)
        for command in block.commands or ([Command(block.text, block.line)] if block.language == "text" else [])
        for found in _in_shell(command.text)
    )
    return (*within, *_in_prose(prose(page)))


def _in_shell(text: str) -> Iterator[str]:
    """Each simple command of a line that begins with the program's name; comments are none."""
    for line in text.replace("\\\n", " ").splitlines():
        try:
            words = shlex.shlex(line, posix=True, punctuation_chars=True)
            words.wordchars += "{}[]%@:,!+…$"
            found = list(words)
        except ValueError:  # a quote that goes on in the next line
            found = line.split()
        for is_operator, group in itertools.groupby(found, lambda word: set(word) <= _OPERATORS):
            own = list(group)
            while own and (own[0] in ("sudo", "$") or "=" in own[0]):
                own.pop(0)
            if not is_operator and own[:1] == ["reconciler"]:
                yield shlex.join(own[1:])


def _in_prose(text: str) -> Iterator[tuple[int, str]]:
    for found in _SPAN.finditer(text):
        words = " ".join(found[1].replace(r"\|", "|").split())
        line = text.count("\n", 0, found.start()) + 1
        first, _, rest = words.partition(" ")
        if first == "reconciler":
            yield line, rest
        elif first in cli.list_commands(click.Context(cli)) and re.search(r"\s-{1,2}[a-z]", words):
            yield line, words


def complaint(words: str) -> str:
    """Why the program would not take them; empty where it would. ``[]`` around what may be left out, ``a|b`` for either."""
    bare = _NAME_OR_DOTS.sub("", re.sub(r"[\[\]]", "", words))
    try:
        choices = [word.split("|") for word in shlex.split(bare)]
    except ValueError:
        choices = [[word] for word in bare.split()]
    told = (_complaint(list(chosen)) for chosen in itertools.islice(itertools.product(*choices), 50))
    return next(filter(None, told), "")


def _complaint(words: list[str]) -> str:
    command: click.Command = cli
    context = click.Context(cli, info_name="reconciler")
    try:
        while True:
            _, words, _ = command.make_parser(context).parse_args(words)
            if not isinstance(command, click.Group):
                return f"too much: {shlex.join(words)}" if words else ""
            if not words:
                return ""
            found = command.get_command(context, words[0])
            if found is None:
                return f"there is no command {words[0]}"
            command, context, words = found, click.Context(found, context, words[0]), words[1:]
    except click.UsageError as error:
        return error.format_message()
