"""``host.yaml``: what is taken, and what is said of every mistake."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.errors import InvalidInputError
from reconciler.model.manifest import HostSettings, SourceSettings
from reconciler.settings import load_settings

URL = "source: {url: /srv/git/config.git"


def said_of(text: str) -> list[str]:
    try:
        load_settings(text.encode(), "host.yaml")
    except InvalidInputError as error:
        return [str(problem).removeprefix("host.yaml:") for problem in error.problems]
    return []


def test_only_the_address_is_needed() -> None:
    assert load_settings(b"source: {url: /srv/git/config.git}\n", "host.yaml") == HostSettings(
        source=SourceSettings(url="/srv/git/config.git")
    )


def test_every_key_is_taken_over() -> None:
    text = """
source:
  url: ssh://git@git.example.com/ops/config.git
  branch: production
  path: ./desired_state/
  interval: 15m
  timeout: 90s
  sshKey: /etc/reconciler/key
  knownHosts: /etc/reconciler/known_hosts
stacks: [upsignon, "web-*"]
concurrency: 2
releases: {keep: 5}
volumes: {upsignon: {pgdata: old_pgdata, files: /srv/files}}
"""
    assert load_settings(text.encode(), "host.yaml") == HostSettings(
        source=SourceSettings(
            url="ssh://git@git.example.com/ops/config.git",
            branch="production",
            path="desired_state",
            interval_s=900.0,
            timeout_s=90.0,
            ssh_key="/etc/reconciler/key",
            known_hosts="/etc/reconciler/known_hosts",
        ),
        stacks=("upsignon", "web-*"),
        concurrency=2,
        kept_releases=5,
        volumes={"upsignon": {"pgdata": "old_pgdata", "files": "/srv/files"}},
    )


def test_the_keys_for_https_are_taken_over() -> None:
    text = "source: {url: 'https://h/x.git', caFile: /ca.pem, username: u, passwordFile: /token}"
    assert load_settings(text.encode(), "host.yaml").source == SourceSettings(
        url="https://h/x.git", ca_file="/ca.pem", username="u", password_file="/token"
    )


def test_an_access_token_needs_no_user_name() -> None:
    text = b"source: {url: 'https://h/x', passwordFile: /token}"
    assert load_settings(text, "host.yaml").source == SourceSettings(url="https://h/x", password_file="/token")


@pytest.mark.parametrize("written", ["", ".", "./"])
def test_the_root_of_the_repository_may_be_written_in_several_ways(written: str) -> None:
    text = f"{URL}, path: '{written}'}}"
    assert load_settings(text.encode(), "host.yaml").source.path == ""


WRONG = [
    ("stacks: ['*']\n", ['1: "source" is missing: settings such as url: and branch:']),
    (
        "source: {branch: main}\n",
        [
            '1: source: "url" is missing: the address of a Git repository, such as '
            "ssh://git@git.example.com/ops/config.git"
        ],
    ),
    ("source:\n", ["1: source: expected settings such as url: and branch:, found nothing"]),
    ("source: [a]\n", ["1: source: expected settings such as url: and branch:, found a list"]),
    (f"{URL}, brnch: x}}\n", ['1: source.brnch: unknown key "brnch"; did you mean "branch"?']),
    (f"{URL}, ssh_key: /k}}\n", ['1: source.ssh_key: unknown key "ssh_key"; did you mean "sshKey"?']),
    (f"{URL}}}\ninterval: 60s\n", ['2: interval: unknown key "interval"; it belongs under source']),
    (f"{URL}, concurrency: 3}}\n", ['1: source.concurrency: unknown key "concurrency"; it belongs at the top, not indented']),
    (f"{URL}}}\nbackups: {{}}\n", ['2: backups: unknown key "backups"; known here: source, name, stacks, concurrency, releases, volumes, certs']),
    (f"{URL}, interval: 60}}\n", ["1: source.interval: expected a duration such as 30s, found the number 60; write 60s"]),
    (
        f"{URL}, interval: 1m30s}}\n",
        [
            '1: source.interval: expected a duration such as 30s, found "1m30s"; '
            "write one whole number and one of the units ms, s, m, h, d"
        ],
    ),
    (
        f'{URL}, interval: "60s\\n"}}\n',
        [
            '1: source.interval: expected a duration such as 30s, found "60s\\u000a"; '
            "write one whole number and one of the units ms, s, m, h, d"
        ],
    ),
    (f"{URL}, interval: [60s]}}\n", ["1: source.interval: expected a duration such as 30s, found a list"]),
    (f"{URL}, interval: true}}\n", ["1: source.interval: expected a duration such as 30s, found true; put it in quotes"]),
    (f"{URL}, interval: 500ms}}\n", ['1: source.interval: "500ms" is too short; the least is 1s']),
    (f"{URL}, timeout: 0s}}\n", ['1: source.timeout: "0s" is too short; the least is 1s']),
    (f"{URL}, timeout: 2h}}\n", ['1: source.timeout: "2h" is too long; the most is 1h']),
    (
        f"{URL}, branch: 1.0}}\n",
        ["1: source.branch: expected the name of a branch, such as main, found the number 1.0; put it in quotes"],
    ),
    (f"{URL}, branch: a b}}\n", ["1: source.branch: 'a b' is no name of a branch"]),
    (f"{URL}, branch: --upload-pack=x}}\n", ["1: source.branch: '--upload-pack=x' is no name of a branch"]),
    (
        f"{URL}, branch: refs/heads/main}}\n",
        ["1: source.branch: write the branch's own name, such as main, without refs/heads/"],
    ),
    (
        f"{URL}, path: /desired_state}}\n",
        [
            "1: source.path: expected a folder of the repository, such as desired_state, "
            'found "/desired_state"; write it relative to the root of the repository, without ..'
        ],
    ),
    (
        f"{URL}, path: a/../../b}}\n",
        [
            "1: source.path: expected a folder of the repository, such as desired_state, "
            'found "a/../../b"; write it relative to the root of the repository, without ..'
        ],
    ),
    ("source: {url: ../config}\n", ["1: source.url: a local repository is named by its absolute path"]),
    (
        "source: {url: 'http://git.example.com/x'}\n",
        ["1: source.url: http neither encrypts nor proves who answers: use https or ssh"],
    ),
    ("source: {url: 'ftp://x/y'}\n", ["1: source.url: its protocol is not one of ssh, https, file"]),
    (f"{URL}, sshKey: /key}}\n", ["1: source.sshKey: is for ssh alone, and source.url is reached by file; take it out"]),
    (
        "source: {url: 'git@h:x.git', caFile: /ca}\n",
        ["1: source.caFile: is for https alone, and source.url is reached by ssh; take it out"],
    ),
    ("source: {url: 'https://h/x', username: u}\n", ['1: source.username: needs "passwordFile" beside it']),
    (
        "source: {url: 'ssh://h/x', sshKey: ~/.ssh/id}\n",
        ['1: source.sshKey: expected the absolute path of a file on this host, found "~/.ssh/id"; it must begin with /'],
    ),
    (f"{URL}}}\nstacks: web\n", ['2: stacks: expected a list of stack names, such as ["*"], found "web"; write [web]']),
    (f"{URL}}}\nstacks: '*'\n", ['2: stacks: expected a list of stack names, such as ["*"], found "*"; write ["*"]']),
    (f"{URL}}}\nstacks: []\n", ["2: stacks: the list is empty; name at least one, or take the key out"]),
    (f"{URL}}}\nstacks:\n  - a\n  - b\n  - a\n", ['5: stacks[2]: "a" is listed twice']),
    (
        f"{URL}}}\nstacks:\n  - 7\n",
        ['3: stacks[0]: expected the name of a stack or a pattern such as "web-*", found the number 7; put it in quotes'],
    ),
    (f"{URL}}}\nconcurrency: 0\n", ["2: concurrency: expected a whole number from 1 to 32, found the number 0"]),
    (f"{URL}}}\nreleases: {{keep: 1}}\n", ["2: releases.keep: expected a whole number from 2 to 100, found the number 1"]),
    (f"{URL}}}\nconcurrency: 99\n", ["2: concurrency: expected a whole number from 1 to 32, found the number 99"]),
    (f"{URL}}}\nconcurrency: 1.5\n", ["2: concurrency: expected a whole number from 1 to 32, found the number 1.5"]),
    (f"{URL}}}\nconcurrency: four\n", ['2: concurrency: expected a whole number from 1 to 32, found "four"']),
    (f"{URL}}}\nsource: {{}}\n", ['2: source: duplicate key "source"; the first is on line 1']),
    ("", [" the file is empty; write its settings, or take the file away"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "messages"), WRONG)
def test_a_mistake_is_told_by_line_key_and_how_to_mend_it(text: str, messages: list[str]) -> None:
    assert said_of(text) == messages


def test_all_mistakes_are_told_at_once_in_the_order_of_the_lines() -> None:
    text = "source:\n  url: ../x\n  interval: 1\n  branch: a b\n  bracnh: c\nstacks: []\nstacks: [a]\nfoo: 1\n"
    assert [message.partition(":")[0] for message in said_of(text)] == ["2", "3", "4", "5", "6", "7", "8"]


@pytest.mark.parametrize(
    "text",
    [
        "source: {url: 'https://h/x', username: u, passwordFile: hunter2}\n",
        "source: {url: 'http://u:hunter2@h/x'}\n",
        "source: {url: 'git://u:hunter2@h/x'}\n",
        "source: {url: 'ssh://u:hunter2@h/x'}\n",
        "source: {url: 'u:hunter2@h'}\nconcurrency: 0\n",
        "source: {url: 'https://h/x', password: hunter2}\n",
        "source: {url: 'https://h/x', username: u, passwordFile: [hunter2]}\n",
        "source: {url: 'https://u:hunter2@/x'}\n",
    ],
)
def test_no_message_ever_holds_a_password(text: str) -> None:
    said = said_of(text)
    assert said
    assert "hunter2" not in "".join(said)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.sampled_from(["", "30s", "/x", "*", "a b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["url", "path", "x", ""]), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(["source", "stacks", "concurrency", "sources"])
SOURCE = st.sampled_from(["url", "branch", "path", "interval", "timeout", "sshKey", "username", "passwordFile", "x"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, VALUES), st.dictionaries(SOURCE, VALUES))
def test_whatever_the_values_are_the_answer_is_settings_or_problems(
    root: dict[str, object], source: dict[str, object]
) -> None:
    text = json.dumps({**root, "source": source} if source else root)
    for message in said_of(text):
        assert "\n" not in message
