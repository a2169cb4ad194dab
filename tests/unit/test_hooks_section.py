"""What ``hooks:`` may say, and what is said of a mistake in it: the line, the key, the nearest that is right."""

from __future__ import annotations

import hashlib
import posixpath

import pytest

from reconciler.manifest import Discovery, discover
from reconciler.model.hook import BackupGate, Exec, Hook, Http, Occasion, OnFailure, Phase, Require, Run, Script
from reconciler.model.source import EntryKind, TreeEntry

FILES = {
    "s/web/compose.yaml": "services: {web: {image: x}}\n",
    "s/web/migrate.sh": "x",
    "hooks/notify": "y",
    "s/web/plain.txt": "z",
}


def found_with(text: str) -> Discovery:
    files = {**FILES, "s/web/stack.yaml": text}
    entries, blobs = {"": TreeEntry("", EntryKind.FOLDER, "root")}, {}
    for path, content in files.items():
        above = path
        while above := posixpath.dirname(above):
            entries[above] = TreeEntry(above, EntryKind.FOLDER, f"folder {above}")
        kind = EntryKind.EXECUTABLE if path.endswith(("migrate.sh", "notify")) else EntryKind.FILE
        identity = hashlib.sha1(content.encode()).hexdigest()
        blobs[identity] = content.encode()
        entries[path] = TreeEntry(path, kind, identity)
    return discover(entries, "s", blobs.__getitem__, ("*",))


def hooks(text: str) -> tuple[Hook, ...]:
    found = found_with(text)
    assert found.broken == {}
    return found.manifests[0].hooks


def said(text: str) -> list[str]:
    return [str(problem) for problem in found_with(text).broken.get("web", ())]


def test_a_hook_is_read_with_its_defaults() -> None:
    (hook,) = hooks("hooks: {preSync: [{name: a, run: {service: web}}]}")
    assert hook == Hook(Phase.PRE_SYNC, "a", Run("web"), frozenset(Occasion), 300.0, OnFailure.ABORT)


def test_every_kind_and_key_is_read() -> None:
    found = hooks(
        """
hooks:
  preSync:
    - {name: b, script: hooks/notify, arguments: [x, "y z"], on: [release, first], timeout: 10s, onFailure: continue}
    - {name: a, script: ./migrate.sh}
  postSync:
    - {name: c, exec: {service: web, command: [a, b], user: "1:2"}}
    - {name: d, http: {url: "https://{D}/", expect: 401, contains: x, matches: "y+", insecure: true}}
"""
    )
    by_name = {hook.name: hook for hook in found}
    assert isinstance(by_name["a"].kind, Script)
    assert by_name["a"].kind.entry.path == "s/web/migrate.sh"
    assert isinstance(by_name["b"].kind, Script)
    assert (by_name["b"].kind.entry.path, by_name["b"].kind.arguments) == ("hooks/notify", ("x", "y z"))
    assert by_name["b"].on == {Occasion.RELEASE, Occasion.FIRST}
    assert (by_name["b"].timeout_s, by_name["b"].on_failure) == (10.0, OnFailure.CONTINUE)
    assert by_name["c"].kind == Exec("web", ("a", "b"), "1:2")
    assert by_name["d"].kind == Http("https://{D}/", 401, "x", "y+", True)


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("{name: a}", "it does nothing yet; add one of script, exec, run, http"),
        ("{name: a, script: migrate.sh, run: {service: web}}", "script and run exclude each other; leave one of them"),
        ("{name: a, scrip: migrate.sh}", 'unknown key "scrip"; did you mean "script"?'),
        ("{name: a, script: migrate.sh, timeout: 0s}", '"0s" is too short; the least is 1s'),
        ("{name: a, script: migrate.sh, onFailure: abrt}", 'found "abrt"; did you mean "abort"?'),
        ("{name: a, script: migrate.sh, on: [relaese]}", 'found "relaese"; did you mean "release"?'),
        ("{name: a, script: migrat.sh}", 'there is no file "migrat.sh" in Git; did you mean "migrate.sh"?'),
        ("{name: a, script: plain.txt}", "is not executable; run: git update-index --chmod=+x s/web/plain.txt"),
        ("{name: a, script: ../../hooks/notify}", "leads out of the stack's folder"),
        ("{name: a, exec: {service: web}}", '"command" is missing'),
        ("{name: a, http: {url: ftp://x}}", "it must begin with http:// or https://"),
        ('{name: a, http: {url: "http://x", matches: "("}}', "is no regular expression"),
        ("{name: a, backup: db}", 'backups has none named "db"; declare it there'),
        ("{name: A b, script: migrate.sh}", 'found "A b"'),
        ("{name: a, run: {service: web}, arguments: [x]}", 'needs "script" beside it'),
    ],
)
def test_a_mistake_is_told_where_it_is_and_how_to_mend_it(hook: str, message: str) -> None:
    found = said(f"hooks:\n  preSync:\n    - {hook}\n")
    assert len(found) == 1, found
    assert found[0].startswith("s/web/stack.yaml:3: hooks.preSync[0]")
    assert message in found[0]


def test_two_hooks_of_a_phase_cannot_share_a_name() -> None:
    twins = "[{name: a, script: migrate.sh}, {name: a, script: hooks/notify}]"
    assert "has another hook named" in "".join(said(f"hooks: {{preSync: {twins}}}"))
    assert hooks(f"hooks: {{preSync: {twins[:-1].split('}, ')[0]}}}], postSync: [{{name: a, script: hooks/notify}}]}}")


BACKUPS = "backups: {db: {postgres: {service: web, database: x}, verify: %s}}\n"


def test_a_gate_asks_for_a_verified_backup_of_now_unless_it_says_otherwise() -> None:
    text = (
        BACKUPS % "restore"
        + "hooks: {preSync: [{name: a, backup: db}, {name: b, backup: db, require: made, maxAge: 15m}]}"
    )
    assert [hook.kind for hook in hooks(text)] == [
        BackupGate("db", Require.VERIFIED, 0.0),
        BackupGate("db", Require.MADE, 900.0),
    ]


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("preSync: [{name: a, backup: dbs}]", 'did you mean "db"?'),
        ("postSync: [{name: a, backup: db, require: made}]", "belongs into preSync"),
        ("preSync: [{name: a, backup: db}]", "is made with verify: none"),
    ],
)
def test_a_gate_that_could_never_open_is_told_of(hook: str, message: str) -> None:
    (told,) = said(BACKUPS % "none" + f"hooks: {{{hook}}}")
    assert message in told


GATE = "{name: a, backup: db, on: [release, config]}"
MIGRATE = "name: b, script: migrate.sh, changesData: true"


@pytest.mark.parametrize(
    "section",
    [
        f"preSync: [{GATE}, {{{MIGRATE}, on: [release, first]}}]",
        f"preSync: [{GATE}], postSync: [{{{MIGRATE.replace('b', 'a', 1)}, on: [config]}}]",
        f"preSync: [{{{MIGRATE}, on: [first]}}]",
    ],
)
def test_a_hook_that_changes_data_is_fine_where_a_backup_comes_before_it(section: str) -> None:
    assert any(hook.changes_data for hook in hooks(BACKUPS % "restore" + f"hooks: {{{section}}}"))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (f"preSync: [{{{MIGRATE}}}]", "on config, release, rollback no backup is made before it"),
        (f"preSync: [{GATE}, {{{MIGRATE}}}]", "on rollback no backup is made before it"),
        (
            f"preSync: [{GATE.replace('name: a', 'name: c')}, {{{MIGRATE}, on: [release]}}]",
            "on release no backup is made before it",
        ),
        (f"syncFail: [{{{MIGRATE}}}]", "belongs to hooks of preSync and postSync"),
        ("preSync: [{name: a, backup: db, changesData: true}]", "a backup changes no data"),
    ],
)
def test_a_hook_that_changes_data_without_a_way_back_is_told_of(section: str, message: str) -> None:
    (told,) = said(BACKUPS % "restore" + f"hooks: {{{section}}}")
    assert message in told


@pytest.mark.parametrize(
    ("phase", "on"), [("postCert", "release"), ("preSync", "cert"), ("preBackup", "release"), ("preSync", "restore")]
)
def test_a_hook_that_would_never_run_is_told_of(phase: str, on: str) -> None:
    (told,) = said(f"hooks: {{{phase}: [{{name: a, script: migrate.sh, on: [{on}]}}]}}")
    assert f"hooks.{phase}[0].on: {phase} runs for" in told


def test_a_misspelt_phase_is_told_with_the_right_one() -> None:
    (told,) = said("hooks: {presync: []}")
    assert 'did you mean "preSync"?' in told
