"""Which folders are stacks, what they declare, and whom a mistake concerns."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.manifest import Discovery, discover
from reconciler.model.errors import InvalidInputError, StalledError
from reconciler.model.manifest import DriftMode, HttpProbe, Manifest, Prune, Rollout, ServiceRollout, Strategy
from reconciler.model.source import EntryKind, TreeEntry

COMPOSE = "services: {web: {image: x}}\n"
LINK, MODULE = "-> ", "submodule"


class Repository:
    """A tree in memory: text by path; ``-> target`` is a symbolic link, ``submodule`` a submodule."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.entries = {"": TreeEntry("", EntryKind.FOLDER, "root")}
        self.blobs: dict[str, bytes] = {}
        self.reads = 0
        for path, written in files.items():
            content = written if isinstance(written, bytes) else written.encode()
            above = path
            while above := posixpath.dirname(above):
                self.entries[above] = TreeEntry(above, EntryKind.FOLDER, f"folder {above}")
            kind = EntryKind.FILE
            if written == MODULE:
                kind = EntryKind.SUBMODULE
            elif content.startswith(LINK.encode()):
                kind, content = EntryKind.SYMLINK, content.removeprefix(LINK.encode())
            object_id = hashlib.sha1(content).hexdigest()
            self.blobs[object_id] = content
            self.entries[path] = TreeEntry(path, kind, object_id)

    def read(self, object_id: str) -> bytes:
        self.reads += 1
        return self.blobs[object_id]


def found_in(files: Mapping[str, str | bytes], path: str = "s", patterns: tuple[str, ...] = ("*",)) -> Discovery:
    repository = Repository(files)
    return discover(repository.entries, path, repository.read, patterns)


def names(found: Discovery) -> list[str]:
    return [manifest.name for manifest in found.manifests]


def said_of(found: Discovery, name: str) -> list[str]:
    return [str(problem) for problem in found.broken.get(name, ())]


def test_a_folder_with_a_compose_file_is_a_stack_with_all_defaults() -> None:
    found = found_in({"s/web/compose.yaml": COMPOSE})
    assert found == Discovery((Manifest(name="web", folder="s/web", compose_files=("compose.yaml",)),), {})


def test_a_stack_file_refines_everything() -> None:
    stack_file = """
name: shop
compose: [./base.yaml, extra/more.yaml]
dependsOn: [db]
env: {files: [stack.env, ../common.env]}
data: [./uploads, cache/]
rollout:
  timeout: 3m
  soak: 500ms
  drain: 1m
  services:
    web: {strategy: stop-first, timeout: 10m, soak: 0s, drain: 30s, job: false}
    migrate: {job: true}
    api: {probe: {port: 3000, path: /up, expect: 200}}
drift: warn
prune: {enabled: false, maxRemovePercent: 100}
"""
    files = {
        "s/web/stack.yaml": stack_file,
        "s/web/base.yaml": COMPOSE,
        "s/web/extra/more.yaml": COMPOSE,
        "s/web/stack.env": "A=1\n",
        "s/common.env": "B=1\n",
        "s/db/compose.yml": COMPOSE,
    }
    found = found_in(files)
    assert found.broken == {}
    assert found.manifests[1] == Manifest(
        name="shop",
        folder="s/web",
        compose_files=("base.yaml", "extra/more.yaml"),
        depends_on=("db",),
        env_files=("stack.env", "../common.env"),
        data_paths=("uploads", "cache"),
        rollout=Rollout(
            timeout_s=180.0,
            soak_s=0.5,
            drain_s=60.0,
            services={
                "web": ServiceRollout(
                    strategy=Strategy.STOP_FIRST, timeout_s=600.0, soak_s=0.0, drain_s=30.0, job=False
                ),
                "migrate": ServiceRollout(job=True),
                "api": ServiceRollout(probe=HttpProbe(3000, "/up", 200)),
            },
        ),
        drift=DriftMode.WARN,
        prune=Prune(enabled=False, max_remove_percent=100),
    )


@pytest.mark.parametrize(
    ("present", "taken"),
    [
        (("compose.yaml", "compose.yml", "docker-compose.yml"), ("compose.yaml",)),
        (("docker-compose.yml", "docker-compose.yaml"), ("docker-compose.yml",)),
        (("docker-compose.yaml",), ("docker-compose.yaml",)),
        (("compose.yaml", "compose.override.yaml"), ("compose.yaml", "compose.override.yaml")),
        (
            ("compose.yml", "compose.override.yml", "compose.override.yaml"),
            ("compose.yml", "compose.override.yml"),
        ),
        (("compose.yaml", "docker-compose.override.yml"), ("compose.yaml", "docker-compose.override.yml")),
    ],
)
def test_compose_files_are_found_as_compose_finds_them(present: tuple[str, ...], taken: tuple[str, ...]) -> None:
    found = found_in({f"s/web/{name}": COMPOSE for name in present})
    assert found.manifests[0].compose_files == taken


def test_compose_files_that_are_named_are_all_there_is() -> None:
    found = found_in({
        "s/web/compose.yaml": COMPOSE,
        "s/web/compose.override.yaml": COMPOSE,
        "s/web/stack.yaml": "compose: [compose.yaml]\n",
    })  # fmt: skip
    assert found.manifests[0].compose_files == ("compose.yaml",)


def test_what_lies_inside_a_stack_belongs_to_it_and_hidden_folders_are_passed_by() -> None:
    found = found_in({
        "s/web/compose.yaml": COMPOSE,
        "s/web/server/compose.yaml": COMPOSE,
        "s/group/db/compose.yaml": COMPOSE,
        "s/.old/compose.yaml": COMPOSE,
        "s/group/.github/x/compose.yaml": COMPOSE,
        "elsewhere/compose.yaml": COMPOSE,
        "s2/compose.yaml": COMPOSE,
        "s/notes/readme.md": "x",
        "s/half/compose.override.yaml": COMPOSE,
    })  # fmt: skip
    assert [(manifest.name, manifest.folder) for manifest in found.manifests] == [
        ("db", "s/group/db"),
        ("web", "s/web"),
    ]


def test_the_root_of_the_repository_may_hold_the_stacks() -> None:
    assert names(found_in({"web/compose.yaml": COMPOSE, ".git-hooks/compose.yaml": COMPOSE}, path="")) == ["web"]


def test_a_repository_that_is_one_stack_says_so_in_its_stack_file() -> None:
    found = found_in({"compose.yaml": COMPOSE, "stack.yaml": "name: shop\n", "src/Dockerfile": "FROM x"}, path="")
    assert found == Discovery((Manifest(name="shop", folder="", compose_files=("compose.yaml",)),), {})


def test_the_root_of_the_repository_has_no_name_to_lend() -> None:
    found = found_in({"compose.yaml": COMPOSE, "stack.yaml": "drift: warn\n"}, path="")
    assert said_of(found, "") == [
        "stack.yaml:1: the root of the repository has no name of its own; set name: in stack.yaml"
    ]


@pytest.mark.parametrize("stray", ["compose.yaml", "stack.yaml", "docker-compose.yml"])
def test_a_file_left_beside_the_stacks_does_not_make_them_vanish(stray: str) -> None:
    found = found_in({f"s/{stray}": COMPOSE, "s/web/compose.yaml": COMPOSE})
    assert names(found) == ["web"]
    assert [str(warning) for warning in found.warnings] == [
        f"s/{stray}: not a stack, as it lies beside the stacks' folders; move it into one of its own"
    ]


def test_stacks_that_this_host_does_not_run_are_left_alone_broken_or_not() -> None:
    files = {
        "s/web-1/compose.yaml": COMPOSE,
        "s/web-2/compose.yaml": COMPOSE,
        "s/db/compose.yaml": COMPOSE,
        "s/other/compose.yaml": "\t",
    }
    found = found_in(files, patterns=("web-*", "d?"))
    assert names(found) == ["db", "web-1", "web-2"]
    assert found.broken == {}


def test_a_pattern_that_names_no_stack_is_a_warning() -> None:
    found = found_in({"s/upsignon/compose.yaml": COMPOSE}, patterns=("upsigon",))
    assert found.manifests == ()
    assert [str(warning) for warning in found.warnings] == [
        'host.yaml: stacks: no stack of the repository is named "upsigon"; did you mean "upsignon"?'
    ]


def test_stacks_come_after_those_they_depend_on() -> None:
    found = found_in({
        "s/a/compose.yaml": COMPOSE,
        "s/a/stack.yaml": "dependsOn: [z]\n",
        "s/m/compose.yaml": COMPOSE,
        "s/z/compose.yaml": COMPOSE,
    })  # fmt: skip
    assert names(found) == ["m", "z", "a"]


def one(stack_file: str, **others: str | bytes) -> dict[str, str | bytes]:
    """A stack ``web`` with this ``stack.yaml``, and a sound one beside it."""
    files: dict[str, str | bytes] = {"s/web/stack.yaml": stack_file, "s/ok/compose.yaml": COMPOSE}
    return files | {"s/web/compose.yaml": COMPOSE} | {name.replace("__", "/"): text for name, text in others.items()}


F = "s/web/stack.yaml"
WRONG: list[tuple[dict[str, str | bytes], list[str]]] = [
    (one("rolout: {timeout: 2m}\n"), [f'{F}:1: rolout: unknown key "rolout"; did you mean "rollout"?']),
    (one("depends_on: [ok]\n"), [f'{F}:1: depends_on: unknown key "depends_on"; did you mean "dependsOn"?']),
    (one("soak: 5s\n"), [f'{F}:1: soak: unknown key "soak"; it belongs under rollout']),
    (one("strategy: stop-first\n"), [f'{F}:1: strategy: unknown key "strategy"; it belongs under rollout.services.<name>']),
    (
        one("rollout:\n  services:\n    web: {services: {}}\n"),
        [f'{F}:3: rollout.services.web.services: unknown key "services"; it belongs under rollout'],
    ),
    (
        one("rollout:\n  services:\n    web: {strategy: startfirst}\n"),
        [
            f"{F}:3: rollout.services.web.strategy: expected one of start-first, stop-first, recreate, "
            'found "startfirst"; did you mean "start-first"?'
        ],
    ),
    (one("rollout:\n  services:\n    a b: {}\n"), [f'{F}:3: rollout.services.a b: "a b" cannot be the name of a service']),
    (
        one("rollout:\n  services:\n    web:\n"),
        [f"{F}:3: rollout.services.web: expected settings such as strategy: stop-first, found nothing"],
    ),
    (one("rollout: {services: {web: {job: yes}}}\n"), [f'{F}:1: rollout.services.web.job: expected true or false, found "yes"; write true']),
    (one("rollout: {timeout: 0s}\n"), [f'{F}:1: rollout.timeout: "0s" is too short; the least is 1s']),
    (one("rollout: {drain: 2h}\n"), [f'{F}:1: rollout.drain: "2h" is too long; the most is 1h']),
    (one("drift: off\n"), [f'{F}:1: drift: expected one of enabled, warn, found "off"']),
    (one("drift: Enable\n"), [f'{F}:1: drift: expected one of enabled, warn, found "Enable"; did you mean "enabled"?']),
    (
        one("prune: {maxRemovePercent: 101}\n"),
        [f"{F}:1: prune.maxRemovePercent: expected a whole number from 0 to 100, found the number 101"],
    ),
    (
        one("prune: {maxRemovePercent: 50%}\n"),
        [f'{F}:1: prune.maxRemovePercent: expected a whole number from 0 to 100, found "50%"'],
    ),
    (one("prune: false\n"), [f"{F}:1: prune: expected settings such as maxRemovePercent: 50, found false"]),
    (
        one("compose: compose.yaml\n"),
        [f'{F}:1: compose: expected a list of Compose files, such as [compose.yaml], found "compose.yaml"; write [compose.yaml]'],
    ),
    (
        one('actions: {a: {service: web, command: echo "a b"}}\n'),
        [f'{F}:1: actions.a.command: expected a command as a list, such as [./migrate, --all], found "echo "a b""; write [sh, -c, "echo \\"a b\\""]'],
    ),
    (one("compose: []\n"), [f"{F}:1: compose: the list is empty; name at least one, or take the key out"]),
    (one("compose:\n  - composee.yaml\n"), [f'{F}:2: compose[0]: there is no file "composee.yaml" in Git; did you mean "compose.yaml"?']),
    (one("compose: [deep]\n", s__web__deep__x="y"), [f'{F}:1: compose[0]: "deep" is a folder; name a file']),
    (one("compose: [../../../x.yaml]\n"), [f'{F}:1: compose[0]: "../../../x.yaml" leads out of the repository']),
    (
        one("compose: [/etc/compose.yaml]\n"),
        [
            f"{F}:1: compose[0]: expected a path relative to the stack's folder, found \"/etc/compose.yaml\"; "
            "it must not be empty or begin with /"
        ],
    ),
    (one("env: {files: [stak.env]}\n", **{"s/web/stack.env": "A=1"}), [f'{F}:1: env.files[0]: there is no file "stak.env" in Git; did you mean "stack.env"?']),
    (one("env: {files: [../comon.env]}\n", **{"s/common.env": "A=1"}), [f'{F}:1: env.files[0]: there is no file "../comon.env" in Git; did you mean "../common.env"?']),
    (
        one("env: {files: [stack.env]}\n", **{"s/web/stack.env": 'A=1\nPASSWORD="hunter2\n'}),
        ['s/web/stack.env:2: PASSWORD: a value is opened with " on this line and never closed'],
    ),
    (one("data: [ok, ../other]\n"), [f'{F}:1: data[1]: "../other" leads out of the stack\'s folder; name a path inside it']),
    (one("data: [a/../../b]\n"), [f'{F}:1: data[0]: "a/../../b" leads out of the stack\'s folder; name a path inside it']),
    (one("dependsOn: [okk]\n"), [f'{F}:1: dependsOn[0]: there is no stack "okk"; did you mean "ok"?']),
    (one("dependsOn: [web]\n"), [f"{F}:1: dependsOn: the stack depends on itself; take its name out"]),
    (one("dependsOn: [ok, ok]\n"), [f'{F}:1: dependsOn[1]: "ok" is listed twice']),
    (one("a:\n\tb: 1\n"), [f"{F}:2: a tab indents this line; YAML wants spaces"]),
    (one("drift: warn\ndrift: warn\n"), [f'{F}:2: drift: duplicate key "drift"; the first is on line 1']),
    (one(""), [f"{F}: the file is empty; write its settings, or take the file away"]),
    (
        one("", **{"s/web/stack.yaml": b"drift: caf\xe9\n"}),
        [f"{F}:1: byte 0xe9 at offset 10 is not UTF-8; save the file as UTF-8"],
    ),
    (one("", **{"s/web/stack.yaml": "-> ../../../../etc/passwd"}), [f'{F}: "stack.yaml" is a symbolic link to ../../../../etc/passwd, which leads out of the repository']),
    (one("drift: warn\n", **{"s/web/stack.yml": "x: 1"}), ["s/web/stack.yml: rename it to stack.yaml; it is not read under this name"]),
    (one("drift: warn\n", **{"s/web/compose.yaml": "services:\n\tx: 1\n"}), ["s/web/compose.yaml:2: a tab indents this line; YAML wants spaces"]),
    (
        one("drift: warn\n", **{"s/web/compose.yaml": "services: {a: 1,\n  a: 2}\n"}),
        ['s/web/compose.yaml:2: services.a: duplicate key "a"; the first is on line 1'],
    ),
    (
        one("drift: warn\n", **{"s/web/compose.yaml": "include: [more/bomb.yaml]\n", "s/web/more/bomb.yaml": "a: &a [*a]\n"}),
        ["s/web/more/bomb.yaml:1: a[0]: *a stands inside &a, so it would contain itself"],
    ),
    (
        one("drift: warn\n", **{"s/web/compose.yaml": "services: {a: {extends: {file: b.yaml}}}\n", "s/web/b.yaml": "a: *b\n"}),
        ["s/web/b.yaml:1: a: *b has no &b above it; a text that begins with * needs quotes"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("files", "messages"), WRONG)
def test_a_mistake_is_told_to_the_stack_it_is_in_and_the_others_go_on(
    files: dict[str, str | bytes], messages: list[str]
) -> None:
    found = found_in(files)
    assert said_of(found, "web") == messages
    assert names(found) == ["ok"]


def test_all_mistakes_of_a_stack_are_told_at_once() -> None:
    files = one("rolout: {}\ncompose: [a.yaml]\nenv: {files: [b.env]}\ndata: [../c]\ndependsOn: [d, web]\ndrift: no\n")
    found = found_in(files)
    assert [problem.key for problem in found.broken["web"]] == [
        "rolout", "compose[0]", "env.files[0]", "data[0]", "dependsOn", "dependsOn[0]", "drift",
    ]  # fmt: skip


def test_a_name_that_compose_would_not_take_is_told_with_the_way_out() -> None:
    found = found_in(
        {"s/My Shop/compose.yaml": COMPOSE, "s/_x/compose.yaml": COMPOSE, "s/Web/stack.yaml": "name: Web!\n"}
    )
    rule = "small letters, digits, - and _, beginning with a letter or digit"
    assert said_of(found, "My Shop") == [
        f"s/My Shop: the folder's name \"My Shop\" cannot be a stack's name ({rule}); set name: in stack.yaml"
    ]
    assert said_of(found, "_x") == [
        f"s/_x: the folder's name \"_x\" cannot be a stack's name ({rule}); set name: in stack.yaml"
    ]
    assert said_of(found, "Web!") == [
        "s/Web/stack.yaml:1: the folder has no Compose file; add compose.yaml, or name one under compose:",
        f's/Web/stack.yaml:1: name: expected a name such as web-1 ({rule}), found "Web!"',
    ]


def test_a_folder_whose_name_does_not_do_may_be_named_otherwise() -> None:
    found = found_in({"s/My Shop/compose.yaml": COMPOSE, "s/My Shop/stack.yaml": "name: shop\n"})
    assert names(found) == ["shop"]


def test_two_stacks_of_one_name_are_both_told_and_neither_is_taken() -> None:
    found = found_in({
        "s/a/web/compose.yaml": COMPOSE,
        "s/b/compose.yaml": COMPOSE,
        "s/b/stack.yaml": "drift: warn\nname: web\n",
        "s/ok/compose.yaml": COMPOSE,
    })  # fmt: skip
    message = 'the folders s/a/web and s/b make a stack named "web" each; set another name: in one'
    assert said_of(found, "web") == [f"s/a/web: {message}", f"s/b/stack.yaml:2: name: {message}"]
    assert names(found) == ["ok"]


def test_every_stack_of_a_circle_is_told_the_circle_and_those_outside_wait_as_they_are() -> None:
    files = {f"s/{name}/compose.yaml": COMPOSE for name in ("a", "b", "c", "waits", "free")}
    files |= {f"s/{name}/stack.yaml": f"dependsOn: [{other}]\n" for name, other in ("ab", "bc", "ca")}
    files["s/waits/stack.yaml"] = "dependsOn: [a]\n"
    found = found_in(files)
    told = "dependsOn: the stacks wait for each other in a circle:"
    assert {name: said_of(found, name) for name in found.broken} == {
        "a": [f"s/a/stack.yaml:1: {told} a -> b -> c -> a; take one of these out"],
        "b": [f"s/b/stack.yaml:1: {told} b -> c -> a -> b; take one of these out"],
        "c": [f"s/c/stack.yaml:1: {told} c -> a -> b -> c; take one of these out"],
    }
    assert names(found) == ["free", "waits"]


def test_a_stack_that_depends_on_one_of_another_host_is_told_so() -> None:
    found = found_in(one("dependsOn: [ok]\n"), patterns=("web",))
    assert said_of(found, "web") == [
        f'{F}:1: dependsOn[0]: the stack "ok" does not run on this host: stacks: in host.yaml does not name it'
    ]


def test_a_stack_may_depend_on_one_that_is_broken_and_waits_for_it() -> None:
    files = one("dependsOn: [ok]\n")
    files["s/ok/compose.yaml"] = "\t"
    found = found_in(files)
    assert names(found) == ["web"]
    assert set(found.broken) == {"ok"}


def test_links_inside_the_repository_are_followed() -> None:
    found = found_in({
        "shared/compose.yaml": COMPOSE,
        "shared/env": "A=1\n",
        "s/web/compose.yaml": f"{LINK}../../shared/compose.yaml",
        "s/web/stack.yaml": "env: {files: [common/env]}\n",
        "s/web/common": f"{LINK}../../shared",
    })  # fmt: skip
    assert (names(found), found.broken) == (["web"], {})


def test_a_mistake_behind_a_link_is_told_where_it_is() -> None:
    found = found_in({"shared/base.yaml": "a: b: c\n", "s/web/compose.yaml": f"{LINK}../../shared/base.yaml"})
    assert [problem.file for problem in found.broken["web"]] == ["shared/base.yaml"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "/etc/x.yaml",
            '"compose.yaml" is a symbolic link to /etc/x.yaml, which is absolute, so it leads out of the repository',
        ),
        ("../../../x.yaml", '"compose.yaml" is a symbolic link to ../../../x.yaml, which leads out of the repository'),
        ("compose.yaml", '"compose.yaml" is a symbolic link to compose.yaml, which goes round in circles'),
        ("gone.yaml", '"compose.yaml" is a symbolic link to gone.yaml, which does not exist in Git'),
    ],
)
def test_a_compose_file_that_is_a_link_to_nowhere_is_told(target: str, message: str) -> None:
    found = found_in({"s/web/compose.yaml": f"{LINK}{target}", "s/ok/compose.yaml": COMPOSE})
    assert said_of(found, "web") == [f"s/web/compose.yaml: {message}"]
    assert names(found) == ["ok"]


def test_a_file_beyond_a_link_that_leads_out_names_the_link() -> None:
    found = found_in({
        "s/web/compose.yaml": COMPOSE,
        "s/web/stack.yaml": "env: {files: [host/x.env]}\n",
        "s/web/host": f"{LINK}/etc",
    })  # fmt: skip
    assert said_of(found, "web") == [
        f'{F}:1: env.files[0]: "host/x.env" leads over s/web/host, a symbolic link to /etc, '
        "which is absolute, so it leads out of the repository"
    ]


def test_a_file_that_the_mirror_refuses_concerns_its_stack_alone() -> None:
    repository = Repository({"s/web/compose.yaml": "services: {}\n", "s/ok/compose.yaml": COMPOSE})
    refused = repository.entries["s/web/compose.yaml"].object_id

    def read(object_id: str) -> bytes:
        if object_id == refused:
            raise StalledError("the file has 20 MiB, more than 16 MiB are not read")
        return repository.read(object_id)

    found = discover(repository.entries, "s", read, ("*",))
    assert said_of(found, "web") == ["s/web/compose.yaml: the file has 20 MiB, more than 16 MiB are not read"]
    assert names(found) == ["ok"]


def test_what_may_be_taken_for_a_stack_and_is_none_is_a_warning() -> None:
    found = found_in({
        "s/web/compose.yaml": COMPOSE,
        "s/web/docker-compose.yml": COMPOSE,
        "s/web/inner/stack.yaml": "drift: warn\n",
        "s/module": MODULE,
        "s/alias": f"{LINK}web",
        "s/readme": f"{LINK}web/compose.yaml",
    })  # fmt: skip
    assert sorted(str(warning) for warning in found.warnings) == [
        "s/alias: not a stack, as it is a symbolic link; give the stack a folder of its own",
        "s/module: not a stack, as it is a Git submodule; commit the files themselves",
        "s/web/docker-compose.yml: not read, because compose.yaml lies beside it",
        "s/web/inner/stack.yaml: not a stack of its own, as it lies inside another stack's folder",
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("desired-state", 'there is no folder "desired-state" in this revision; did you mean "desired_state"?'),
        ("prod", 'there is no folder "prod" in this revision; it has desired_state'),
        ("readme", '"readme" is a file in this revision; name the folder that holds the stacks'),
        ("link", '"link" is a symlink in this revision; name the folder that holds the stacks'),
    ],
)
def test_a_source_path_that_is_no_folder_is_told_and_no_stack_seems_removed(path: str, message: str) -> None:
    files = {"desired_state/web/compose.yaml": COMPOSE, "readme": "x", "link": f"{LINK}desired_state"}
    with pytest.raises(InvalidInputError) as caught:
        found_in(files, path=path)
    assert str(caught.value) == f"host.yaml: source.path: {message}"


def test_an_empty_repository_holds_no_stack() -> None:
    assert found_in({}, path="") == Discovery((), {})


def test_a_folder_whose_name_is_no_text_is_passed_by() -> None:
    assert names(found_in({"s/caf\udce9/compose.yaml": COMPOSE, "s/ok/compose.yaml": COMPOSE})) == ["ok"]


PART = st.sampled_from(["a", "b", ".x", "A b", "compose.yaml", "stack.yaml", "stack.yml", "x.env", "..."])
CONTENT = st.sampled_from([
    COMPOSE, "", "\t", "include: [x.env, ../a/compose.yaml]\n", "name: a\n", "compose: [compose.yaml, ../x.env]\n",
    "dependsOn: [a, b]\n", "env: {files: [x.env]}\ndata: [..]\n", "-> ../a", "-> compose.yaml", "-> /x", MODULE,
])  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.lists(PART, min_size=1, max_size=4).map("/".join), CONTENT, max_size=8))
def test_whatever_the_tree_holds_a_stack_is_sound_or_broken_and_never_both(files: dict[str, str]) -> None:
    whole = {path: text for path, text in files.items() if not any(f"{path}/" in f"{other}/"[:-1] for other in files)}
    found = found_in(whole, path="")
    assert set(names(found)).isdisjoint(found.broken)
    assert len(set(names(found))) == len(found.manifests)
    assert all(problems for problems in found.broken.values())
