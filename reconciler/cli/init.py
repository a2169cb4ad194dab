"""``reconciler init``: from an empty machine to a root folder, and with --start to stacks that are Ready.

Asks a person at a terminal for what is missing; with flags it asks nothing. Overwrites nothing, and can be called again.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import logs, output, roots
from reconciler.cli.errors import FAILED, WRONG_USE, Failure
from reconciler.cli.logs import level_of
from reconciler.cli.options import DEFAULT_ROOT, Options, timeout_option
from reconciler.cli.setup import asking, certificates, fitness, root_folder, variables
from reconciler.cli.setup.source import SourceWanted
from reconciler.layout import Layout

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.execution.work import Work
    from reconciler.supervision.unit import Unit


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the flags say, or what was answered. ``files``: a certificate, its key. ``asks``: a person may be asked."""

    source: SourceWanted
    values: dict[str, str]
    files: tuple[Path, ...] = ()
    acme_email: str = ""
    systemd: bool = False
    start: bool = False
    asks: bool = False
    timeout_s: float = 0.0

    @property
    def needs_the_repository(self) -> bool:
        return bool(self.values or self.acme_email or self.start or self.asks)


@click.command(
    short_help="Make the root folder of this host; with --start, go on to stacks that run.",
    epilog="Example: reconciler init /srv/reconciler --source ssh://git@git.example.com/ops/config.git",
)
@click.argument("root", required=False, type=click.Path(path_type=Path))
@click.option("--source", "url", default="", metavar="URL", help="The Git repository: ssh, https, file, or a path.")
@click.option("--branch", default="main", show_default=True, help="The branch to follow.")
@click.option("--path", "folder", default="", help="The folder in the repository that holds the stacks.")
@click.option("--ssh-key", default="", metavar="FILE", help="The private key that may read it, for ssh.")
@click.option("--known-hosts", default="", metavar="FILE", help="The host keys to believe, for ssh.")
@click.option("--username", default="", help="The user name, for https.")
@click.option(
    "--password-file", "token", default="", metavar="FILE", help="A file with the password or token, for https."
)
@click.option("--ca-file", default="", metavar="FILE", help="A certificate authority of your own, for https.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A variable that a stack needs.")
@click.option(
    "--set-file", "files", multiple=True, metavar="NAME=FILE", help="The same, read from a file: for secrets."
)
@click.option(
    "--certificate", type=click.Path(path_type=Path), metavar="FILE", help="Copied into certs/, if it is sound."
)
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="The key of --certificate.")
@click.option(
    "--acme-email", default="", metavar="ADDRESS", help="Let's Encrypt may order certificates, and write to it."
)
@click.option("--systemd", is_flag=True, help="Install a service that keeps `reconciler run` running.")
@click.option(
    "--start", is_flag=True, help="Go on until every stack is Ready, backed up, and what it has for you is shown."
)
@timeout_option
@click.option("-y", "--yes", is_flag=True, help="Ask nothing, at a terminal either.")
@click.pass_obj
def init(options: Options, /, root: Path | None, **flags: Any) -> int:
    """Make ROOT, the root folder of this host (/srv/reconciler), with its host.yaml; with --start, go on to stacks that run.

    At a terminal, without any of the flags that say what is wanted, it asks for what is missing: the repository, the
    variables that the stacks need (of secrets a generated one is offered), certificates, whether to install a service and
    to start. What is there already is left as it is: call it again for what is still missing.
    """
    layout = Layout(Path(os.path.abspath(root or options.root)))
    return _set_up(replace(options, root=layout.root), layout, _wanted(flags))


def _wanted(flags: Mapping[str, Any]) -> Wanted:
    files = tuple(path for path in (flags["certificate"], flags["key"]) if path)
    if flags["key"] and not flags["certificate"]:
        raise Failure("--key is the key of a --certificate: name both", WRONG_USE)
    says_what = any(flags[name] for name in ("url", "pairs", "files", "certificate", "acme_email", "yes"))
    return Wanted(
        source=SourceWanted(**{field.name: flags[field.name] for field in fields(SourceWanted)}),
        values=variables.given_values(flags["pairs"], flags["files"]),
        files=files,
        acme_email=flags["acme_email"],
        systemd=flags["systemd"],
        start=flags["start"],
        asks=not says_what and asking.can_ask(),
        timeout_s=flags["timeout_s"],
    )


def _set_up(options: Options, layout: Layout, wanted: Wanted) -> int:
    logs.configure(level_of(options, tells_itself=True))
    roots.check_owner(layout)
    code = root_folder.make(layout, wanted.source.absolute(), asks=wanted.asks)
    if wanted.files:
        certificates.drop(layout, wanted.files)
    stacks: tuple[str, ...] = ()
    if wanted.needs_the_repository and not code:
        code, stacks = _settle_stacks(options, layout, wanted)
    if code:
        return code
    wanted = _with_answers(wanted, is_ready=_are_ready(layout, stacks))
    unit, code = _service(layout, wanted)
    if wanted.start:
        from reconciler.cli.setup.starting import start

        return start(options, layout, unit, stacks, wanted.timeout_s) or code
    _say_what_is_next(layout, unit)
    return code


def _settle_stacks(options: Options, layout: Layout, wanted: Wanted) -> tuple[int, tuple[str, ...]]:
    """The preflight, then what the stacks need to know. The exit code, and the names of the stacks."""
    from reconciler.cli.wiring import opened

    with opened(layout, log_level=level_of(options, tells_itself=True)) as parts:
        output.heading("\nPreflight")
        if not fitness.is_host_fit(parts):
            return FAILED, ()
        works = _works(parts)
        variables.settle(parts, works, wanted.values, asks=wanted.asks)
        if wanted.acme_email:
            certificates.order_from_acme(parts, works, wanted.acme_email)
        if wanted.asks:
            certificates.ask(parts, works)
        names = tuple(work.name for work in works)
        if wanted.start or wanted.asks:
            return (0 if fitness.are_stacks_fit(parts) else FAILED), names
        return 0, names


def _works(parts: Parts) -> tuple[Work, ...]:
    """The stacks of this host that can be read."""
    works = parts.host(lambda _: None).works()
    return tuple(work for work in works if not work.gone and not work.problems)


def _are_ready(layout: Layout, stacks: Sequence[str]) -> bool:
    from reconciler.model.record import Truth

    if not stacks:
        return False
    with roots.open_journal(layout) as journal:
        records = [journal.stack(name) for name in stacks]
        return all(record is not None and record.ready.status is Truth.TRUE for record in records)


def _with_answers(wanted: Wanted, *, is_ready: bool) -> Wanted:
    """``is_ready``: there is nothing to start."""
    if not wanted.asks:
        return wanted
    output.line("")
    systemd = wanted.systemd or (
        _has_systemd() and os.geteuid() == 0 and asking.yes("Install a service that starts it with this host?")
    )
    if is_ready and not wanted.start:
        output.line("Every stack is Ready: reconciler get")
    start = wanted.start or (not is_ready and asking.yes("Start now, and go on until every stack is Ready?"))
    return replace(wanted, systemd=systemd, start=start)


def _has_systemd() -> bool:
    from reconciler.supervision import systemd

    return systemd.is_there()


def _service(layout: Layout, wanted: Wanted) -> tuple[Unit | None, int]:
    if not wanted.systemd:
        return None, 0
    from reconciler.cli.setup import service

    unit = service.install(layout)
    return unit, 0 if unit is not None else FAILED


def _say_what_is_next(layout: Layout, unit: Unit | None) -> None:
    named = "" if str(layout.root) == DEFAULT_ROOT else f"--root {shlex.quote(str(layout.root))} "
    then = f"systemctl start {unit.name}" if unit is not None else f"reconciler {named}run"
    output.line(f"\nNext: reconciler {named}check, then {then}")
