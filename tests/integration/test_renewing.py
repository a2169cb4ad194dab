"""A variable that an action renews, on a host in memory: the database is a file, and the program docker a script. Whatever
happens, somebody knows the password that the database has."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from reconciler.actions.runs import ActionRuns
from reconciler.adapters.env_files import EnvFolder
from reconciler.adapters.journal.marks import MarkTable
from reconciler.adapters.renewal_files import RenewalFiles
from reconciler.cli.wiring import Parts
from reconciler.leash import MARK
from reconciler.planning.dotenv import read_dotenv
from tests.fakes.compose import FakeCompose
from tests.fakes.engine import FakeEngine
from tests.fakes.host import Behaviour
from tests.integration.cli_root import call
from tests.integration.test_cli_action import DOCKER, World

OLD = "hunter2-of-old"
ENV = f"# by Ann\nDOMAIN=shop.example.com\nDB_PASSWORD={OLD}\n# the end\n"
SCHEMA = {
    "properties": {
        "DB_PASSWORD": {"description": "x", "minLength": 10, "pattern": "^[^#]*$"},
        "DOMAIN": {"description": "x"},
    }
}
READ = "IFS= read -r value || exit 9; "


class Compose(FakeCompose):
    """What it renders has the password of the host's file."""

    def render(
        self,
        project: str,
        folder: Path,
        files: Sequence[str],
        env_files: Sequence[Path],
        environment: Mapping[str, str],
    ) -> Mapping[str, Any]:
        values = read_dotenv(env_files[-1].read_bytes(), "f").values
        web = {"image": "app:1", "environment": {"PASS": values["DB_PASSWORD"], "MORE": values.get("MORE", "")}}
        return {"name": project, "services": {"web": web, "db": {"image": "app:1"}}}


class Shop(World):
    """``database``: the file that has the password."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.compose = Compose(self.host)
        self.database = folder / "database"
        self.database.write_text(OLD)
        self.env = self.root.layout.env_file("shop")
        self.env.write_text(ENV)

    def declare(
        self, *, command: str = "", check: str | None = "", env: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        takes = f'printf %s "$value" >{self.database}'
        action = {"service": "db", "renews": "DB_PASSWORD", "command": ["sh", "-c", READ + (command or takes)], **more}
        if check is not None:
            asks = f'[ "$value" = "$(cat {self.database})" ]'
            action["check"] = ["sh", "-c", READ + (check or asks)]
        use = {"immutable": ["DB_PASSWORD"], **(env or {})}
        self.repository.write("shop/compose.yaml", "services: {web: {image: 'app:1'}, db: {image: 'app:1'}}\n")
        self.repository.write("shop/stack.yaml", json.dumps({"actions": {"change": action}, "env": use}))
        self.repository.write("shop/env.schema.json", json.dumps(SCHEMA))
        self.repository.commit("the shop")

    def once(self) -> Result:
        return self.root.call("once")

    def change(self, *words: str, given: str | None = None) -> Result:
        from click.testing import CliRunner

        from reconciler.cli.main import cli

        line = ("--root", str(self.root.layout.root), "action", "shop", "change", *words)
        return CliRunner().invoke(cli, line, prog_name="reconciler", input=given)

    @property
    def in_file(self) -> str:
        return read_dotenv(self.env.read_bytes(), "f").values["DB_PASSWORD"]

    @property
    def pending(self) -> str:
        """The value that is on its way, "" for none."""
        path = self.root.layout.env / "shop.renewal.json"
        if not path.exists():
            return ""
        assert path.stat().st_mode & 0o777 == 0o600
        return str(json.loads(path.read_text())["value"])

    @property
    def in_database(self) -> str:
        return self.database.read_text()

    def boxes(self, service: str) -> list[str]:
        return [box.id for box in self.host.boxes.values() if box.service == service]

    def assert_untouched(self) -> None:
        assert (self.env.read_text(), self.pending, self.in_database) == (ENV, "", OLD)

    def assert_nobody_else_knows(self, *told: str) -> None:
        """The new value is in the host's file, and in what Compose is handed."""
        held = b"".join(path.read_bytes() for path in self.root.layout.state.glob("state.db*"))
        known = (*told, held.decode(errors="replace"), (self.folder / "bin" / "words").read_text())
        for value in {self.in_file, self.pending, self.in_database} - {""}:
            assert not any(value in text for text in known)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    made = Shop(tmp_path)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("SUDO_USER", "ada")
    monkeypatch.setattr(Parts, "engine", FakeEngine(made.host))
    monkeypatch.setattr(Parts, "compose", made.compose)
    monkeypatch.setattr(Parts, "clock", made.host.clock)
    with made.root.journal:
        made.declare()
        assert made.once().exit_code == 0
        yield made


def test_a_variable_is_renewed_where_it_is_used_and_in_the_file_and_then_its_services_are_rolled(shop: Shop) -> None:
    web, db = shop.boxes("web"), shop.boxes("db")
    done = shop.change()
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    assert "no daemon runs: `reconciler once` rolls the services" in done.stderr
    assert re.fullmatch("[0-9a-f]{64}", shop.in_database)
    assert shop.env.read_text() == ENV.replace(OLD, shop.in_database)
    assert shop.pending == ""
    passed = shop.once()
    assert passed.exit_code == 0, passed.output
    assert (shop.boxes("web") != web, shop.boxes("db") == db) == (True, True)
    assert [told.message for told in shop.root.journal.events() if told.reason == "VariableRenewed"] == [
        "action change by ada: DB_PASSWORD is a new one, in env/shop.env, too"
    ]
    shop.assert_nobody_else_knows(done.output, passed.output)


def test_the_new_value_is_what_may_not_change_from_then_on(shop: Shop) -> None:
    shop.change()
    new = shop.env.read_text()
    shop.once()
    shop.env.write_text(ENV)
    refused = shop.once()
    assert refused.exit_code == 1
    assert "then change it with: reconciler action shop change" in refused.output
    shop.env.write_text(new)
    assert shop.once().exit_code == 0


def test_its_size_is_that_of_generate(shop: Shop) -> None:
    shop.declare(env={"generate": {"DB_PASSWORD": {"bytes": 20}}})
    shop.once()
    shop.change()
    assert re.fullmatch("[0-9a-f]{40}", shop.in_database)


def test_a_value_of_ones_own_is_read_and_every_character_of_it_arrives(shop: Shop) -> None:
    value = """it's "q" $HOME `id` \\ %s é ; --"""
    assert shop.change("--stdin", given=value + "\n").exit_code == 0
    assert (shop.in_database, shop.in_file) == (value, value)


WRONG = (
    ("", "standard input is empty"),
    ("short", "it has fewer than 8 characters"),
    (" 0123456789", "it begins or ends with a space"),
    ("01234\n56789", "a character that cannot be typed in a line"),
    (OLD, "it is the old one"),
    ("012345678", "DB_PASSWORD cannot be that: it has 9 characters; at least 10 are wanted"),
    ("0123456789#", "DB_PASSWORD cannot be that: "),
)


def test_a_value_that_cannot_be_it_is_refused_before_anything_gets_it(shop: Shop) -> None:
    for value, why in WRONG:
        done = shop.change("--stdin", given=value + "\n")
        assert (done.exit_code, why in done.stderr) == (2, True), done.stderr
        assert value not in done.stderr or not value
    shop.assert_untouched()


def test_a_new_value_is_never_on_a_command_line(shop: Shop) -> None:
    for words, why in (
        (("0123456789abc",), "could be seen by everybody on this host"),
        (("--ask", "--stdin"), "exclude each other"),
        (("--ask",), "--ask needs a terminal"),
    ):
        done = shop.change(*words)
        assert (done.exit_code, why in done.stderr) == (2, True), done.stderr
    shop.assert_untouched()


def edit_it(shop: Shop) -> None:
    shop.env.write_text(ENV + "MORE=1\n")


def break_it(shop: Shop) -> None:
    shop.env.write_text(ENV.replace("DOMAIN=", "DOMAIN='"))


def stop_it(shop: Shop) -> None:
    for box in shop.host.boxes.values():
        shop.host.stop(box)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (edit_it, "does not run what Git and env/shop.env say"),
        (break_it, "mend that first"),
        (stop_it, "no container of the service db of shop runs"),
    ],
)
def test_it_is_refused_where_the_services_could_not_be_rolled_at_once(
    shop: Shop, before: Callable[[Shop], None], why: str
) -> None:
    before(shop)
    env = shop.env.read_text()
    done = shop.change()
    assert (done.exit_code, why in done.stderr) == (1, True), done.stderr
    assert (shop.env.read_text(), shop.pending, shop.in_database) == (env, "", OLD)


def test_it_is_refused_for_a_value_that_lies_in_git(shop: Shop) -> None:
    shop.repository.write("shop/stack.env", f"DB_PASSWORD={OLD}\n")
    shop.declare(env={"files": ["stack.env"]})
    shop.env.write_text("DOMAIN=x\n")
    shop.compose.render = lambda *_: {"name": "shop", "services": {"db": {"image": "app:1"}}}  # type: ignore[method-assign]
    assert shop.once().exit_code == 0
    done = shop.change()
    assert "is set in shop/stack.env, which lies in Git" in done.stderr
    assert shop.in_database == OLD


def test_it_is_refused_while_somebody_works_on_the_stack(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.cli.renew._TURN_WITHIN_S", 0.0)
    layout = shop.root.layout
    with RenewalFiles(layout.env, layout.env_staging, layout.turns).turn("shop") as is_mine:
        assert is_mine
        done = shop.change()
    assert (done.exit_code, "shop is being worked on" in done.stderr) == (1, True)
    shop.assert_untouched()


def test_while_it_is_under_way_a_pass_does_nothing_and_says_nothing(shop: Shop) -> None:
    layout, before, web = shop.root.layout, shop.root.record("shop"), shop.boxes("web")
    shop.env.write_text(ENV + "MORE=1\n")
    with RenewalFiles(layout.env, layout.env_staging, layout.turns).turn("shop"):
        shop.once()
    assert (shop.root.record("shop"), shop.boxes("web")) == (before, web)
    shop.once()
    assert shop.boxes("web") != web


def test_a_command_that_fails_leaves_everything_as_it_was_and_its_words_are_shown_without_the_value(shop: Shop) -> None:
    shop.declare(command='echo "no role $value" >&2; exit 3')
    shop.once()
    done = shop.change("--stdin", given="n0body-knows-it\n")
    assert (done.exit_code, "no role (secret)" in done.stderr) == (1, True), done.stderr
    assert "change: exit status 3; the old DB_PASSWORD is still in use, and nothing was changed" in done.stderr
    shop.assert_untouched()
    assert shop.once().exit_code == 0


def test_a_command_that_fails_when_it_had_done_its_work_has_succeeded(shop: Shop) -> None:
    shop.declare(command=f'printf %s "$value" >{shop.database}; exit 3')
    shop.once()
    assert shop.change().exit_code == 0
    assert (shop.in_file, shop.pending) == (shop.in_database, "")


@pytest.mark.parametrize(
    ("command", "check"),
    [
        ("exit 3", None),
        ("exit 0", ""),  # the check does not find it
        ("sleep 1000", ""),  # it is ended
    ],
)
def test_where_nobody_can_tell_the_new_value_is_kept_and_the_next_run_goes_on_with_it(
    shop: Shop, command: str, check: str | None
) -> None:
    shop.declare(command=command, check=check, timeout="1s")
    shop.once()
    web = shop.boxes("web")
    done = shop.change()
    value = shop.pending
    assert (done.exit_code, bool(value), shop.env.read_text()) == (3 if "sleep" in command else 1, True, ENV)
    assert (
        "either the old or the new value is in use. Go on, with the same new value: reconciler action shop change"
        in done.stderr
    )
    assert "reconciler action shop change" in shop.root.call("get").output  # before any pass said so
    blocked = shop.once()
    assert (blocked.exit_code, shop.root.record("shop").ready.reason) == (1, "RenewalCutShort")
    assert shop.boxes("web") == web
    assert "reconciler action shop change" in shop.root.call("env", "check", "shop").stdout
    shop.assert_nobody_else_knows(done.output, blocked.output)
    refused = shop.change("--stdin", given="n0body-knows-it\n")
    assert (refused.exit_code, "goes on without --stdin" in refused.stderr) == (1, True)
    shop.declare()  # mended
    shop.once()
    assert shop.change().exit_code == 0
    assert (shop.in_database, shop.in_file, shop.pending) == (value, value, "")
    assert shop.once().exit_code == 0
    assert shop.boxes("web") != web


def test_accepting_what_the_file_says_ends_it(shop: Shop) -> None:
    shop.declare(command="exit 3", check=None)
    shop.once()
    shop.change()
    assert shop.root.call("env", "accept", "shop", "DB_PASSWORD").exit_code == 0
    assert shop.once().exit_code == 0
    shop.assert_untouched()


def test_what_is_no_renewal_is_nobodys_to_take_away(shop: Shop) -> None:
    path = shop.root.layout.env / "shop.renewal.json"
    path.write_text("{")
    assert shop.once().exit_code == 1
    assert "is no renewal of a variable" in shop.root.record("shop").ready.message
    assert shop.change().exit_code == 1
    assert path.read_text() == "{"


class Killed(BaseException):
    """The process ends here."""


class Killer:
    """Kills when the ``at``-th thing was done for good."""

    DEEDS = (
        (RenewalFiles, ("save", "drop")),
        (ActionRuns, ("run", "tell")),
        (EnvFolder, ("put",)),
        (MarkTable, ("save_mark",)),
    )

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.at, self.done = at, list[str]()
        for kind, names in self.DEEDS:
            for name in names:
                monkeypatch.setattr(kind, name, self._deadly(name, getattr(kind, name)))

    def _deadly(self, name: str, deed: Callable[..., Any]) -> Callable[..., Any]:
        def done(*words: Any, **more: Any) -> Any:
            found = deed(*words, **more)
            self.done.append(name)
            if len(self.done) == self.at:
                raise Killed
            return found

        return done


DEEDS = ("save", "run", "tell", "put", "save_mark", "save_mark", "drop")


@pytest.mark.parametrize("at", range(1, len(DEEDS) + 1))
def test_killed_anywhere_somebody_knows_the_password_and_the_next_run_ends_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    web = shop.boxes("web")
    with monkeypatch.context() as patched:
        killer = Killer(patched, at)
        with pytest.raises(Killed):
            shop.change()
    assert killer.done == list(DEEDS[:at])
    assert shop.in_database in {shop.in_file, shop.pending}
    is_over, value = shop.in_file != OLD, shop.pending
    passed = shop.once()
    assert passed.exit_code == (0 if is_over else 1), passed.output
    assert (shop.boxes("web") != web) == is_over
    if not is_over:
        assert shop.root.record("shop").ready.reason == "RenewalCutShort"
        assert shop.change().exit_code == 0
        assert shop.in_database == value
        assert shop.once().exit_code == 0
    assert (shop.in_file, shop.pending) == (shop.in_database, "")
    assert len(shop.boxes("web")) == 1
    shop.assert_nobody_else_knows(passed.output)


def test_what_a_killed_run_left_behind_ends_with_the_next_one(shop: Shop) -> None:
    """It could still bring about what the next one found undone, and forgot."""
    root = hashlib.sha256(str(shop.root.layout.root).encode()).hexdigest()[:12]
    left = subprocess.Popen(["sleep", "1000"], env={**os.environ, MARK: f"{root}/shop/renewal/DB_PASSWORD"})
    try:
        assert shop.change().exit_code == 0
        assert left.poll() is not None
    finally:
        left.kill()
        left.wait()


def test_no_release_from_before_is_gone_back_to(shop: Shop) -> None:
    shop.env.write_text(ENV.replace("# the end", "OTHER=1"))
    shop.change()
    shop.once()
    for words in (("1",), ()):
        done = shop.root.call("rollback", "shop", *words)
        assert done.exit_code == 1
        assert "was made before DB_PASSWORD was renewed, and would run with the old value" in done.stderr
    assert "Revert the commits in Git instead" in done.stderr


def test_what_it_brings_to_the_services_waits_for_no_window_and_no_approval(shop: Shop) -> None:
    closed = {"deny": "* * * * *", "duration": "1h"}
    shop.declare()
    document = json.loads((shop.folder / "config" / "shop" / "stack.yaml").read_text())
    document["updates"] = {"windows": [closed], "approval": "manual"}
    shop.repository.write("shop/stack.yaml", json.dumps(document))
    shop.repository.commit("a window that never opens")
    assert shop.once().exit_code == 0
    web = shop.boxes("web")
    assert shop.change().exit_code == 0
    passed = shop.once()
    assert passed.exit_code == 0, passed.output
    assert shop.boxes("web") != web
    web = shop.boxes("web")
    shop.env.write_text(shop.env.read_text() + "MORE=1\n")
    shop.once()
    assert shop.boxes("web") == web


def test_where_the_services_do_not_come_up_with_it_it_can_be_taken_back_with_the_same_action(shop: Shop) -> None:
    web = shop.boxes("web")
    shop.change()
    shop.host.behaviours["app:1"] = Behaviour(cannot_start="no room")
    assert shop.once().exit_code == 1
    assert (shop.boxes("web"), shop.in_database != OLD) == (web, True)
    taken_back = shop.change("--stdin", given=f"{OLD}\n")
    assert taken_back.exit_code == 0, taken_back.output
    passed = shop.once()
    assert passed.exit_code == 0, passed.output
    assert shop.boxes("web") == web
    shop.assert_untouched()


def test_or_another_one_is_brought_to_them(shop: Shop) -> None:
    web = shop.boxes("web")
    shop.change()
    shop.host.behaviours["app:1"] = Behaviour(cannot_start="no room")
    shop.once()
    del shop.host.behaviours["app:1"]
    assert shop.change().exit_code == 0
    assert shop.once().exit_code == 0
    assert shop.boxes("web") != web
    assert shop.in_file == shop.in_database


def test_one_that_is_typed_is_asked_for_twice(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.cli.setup.asking.can_ask", lambda: True)
    done = shop.change("--ask", given="typed-by-ada-1\nanother\ntyped-by-ada-1\ntyped-by-ada-1\n")
    assert done.exit_code == 0, done.output
    assert "the two are not the same" in done.stderr
    assert (shop.in_file, shop.in_database) == ("typed-by-ada-1", "typed-by-ada-1")
    assert "typed-by-ada-1" not in done.output
    nothing = shop.change("--ask", given="\n")
    assert (nothing.exit_code, "nothing was typed" in nothing.stderr) == (2, True)


def test_it_is_listed_with_what_it_renews(shop: Shop) -> None:
    assert "(renews DB_PASSWORD)" in shop.root.call("action", "shop").stdout
    assert [one["renews"] for one in shop.root.json("action", "shop")] == ["DB_PASSWORD"]
    (told,) = shop.root.json("action", "shop", "change")
    assert (told["exitCode"], told["inUse"]) == (0, "new")
    assert call("action", "--help").exit_code == 0
