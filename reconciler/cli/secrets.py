"""``reconciler secrets``: this host's key, and files that lie encrypted in Git. Prints no secret, and needs no root but for
the place of the key.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.editor import open_editor
from reconciler.cli.errors import WRONG_USE, Failure
from reconciler.cli.options import Options
from reconciler.layout import Layout

if TYPE_CHECKING:
    from reconciler.secrets.working_copy import Readers

_FILE = click.argument("file", type=click.Path(path_type=Path))
_TO = click.option(
    "-r", "--recipient", "recipients", multiple=True, metavar="age1…", help="Who can decrypt it; repeatable."
)
_IDENTITY = click.option(
    "-i",
    "--identity",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The key to decrypt with, instead of this host's env/age-identity.txt.",
)


@click.group(epilog="Example: reconciler secrets edit desired_state/shop/stack.env.age")
def secrets() -> None:
    """Secrets that lie encrypted in Git: keygen, encrypt, edit, rotate.

    What a stack is rendered from and ends in .age is decrypted with this host's key, in memory. See docs/secrets.md.
    """


@secrets.command(
    short_help="Make this host's key, and print its public part.", epilog="Example: reconciler secrets keygen"
)
@click.option("--add", is_flag=True, help="Make another key, where there is one; the old ones stay readable.")
@click.pass_obj
def keygen(options: Options, add: bool) -> None:
    """Make this host's key, if it has none, and print its public part, the recipient to encrypt for.

    The key itself is kept in env/age-identity.txt, readable by its owner alone, and never printed. Keep a copy of it where
    the host cannot be lost with it.
    """
    from reconciler import age_keys

    roots.check_owner(Layout(options.root))
    file = _identity_file(options, None)
    if not options.root.is_dir():
        raise Failure(
            f"there is no folder {options.root}; name the root with --root, or make it: reconciler init", WRONG_USE
        )
    known = age_keys.public(file)
    if known and not add:
        output.note(f"there is a key already: {file}")
        output.line(known[0])
        return
    output.line(age_keys.add_identity(file))
    output.note(f"made {file}" if not known else f"added to {file}, before the {len(known)} there were")


@secrets.command(epilog="Example: reconciler secrets encrypt desired_state/shop/stack.env")
@_FILE
@_TO
@_IDENTITY
@click.pass_obj
def encrypt(options: Options, file: Path, recipients: tuple[str, ...], identity: Path | None) -> None:
    """Encrypt FILE as FILE.age beside it. FILE itself is left there: it does not belong into Git.

    For whom: those named with -r; else those of the nearest .age-recipients in its folder or above; else this host.
    """
    from reconciler.secrets import working_copy

    readers = working_copy.readers_of(file, recipients, _identity_file(options, identity))
    sealed = working_copy.encrypt(file, readers)
    _tell_encrypted(sealed, readers)
    output.note(f"{file} still holds it in the clear; keep it out of Git, or take it away")


@secrets.command(
    short_help="Edit an encrypted file, or make one.",
    epilog="Example: EDITOR=nano reconciler secrets edit desired_state/shop/stack.env.age",
)
@_FILE
@_TO
@_IDENTITY
@click.pass_obj
def edit(options: Options, file: Path, recipients: tuple[str, ...], identity: Path | None) -> None:
    """Open FILE decrypted in $VISUAL or $EDITOR, and encrypt it again if it was changed. A FILE that is not there is made.

    Where neither is set, it is sensible-editor, editor, vi or nano, the first of them that is installed.
    The editor gets a file that lies in memory where this machine can, readable by you alone, and gone afterwards.
    """
    from reconciler.secrets import working_copy

    identity_file = _identity_file(options, identity)
    if not working_copy.edit(file, recipients, identity_file, open_editor):
        output.note(f"{file}: nothing was changed")
        return
    _tell_encrypted(file, working_copy.readers_of(file, recipients, identity_file))
    _check_env(file, identity_file)


@secrets.command(
    short_help="Encrypt every *.age file of a folder anew.", epilog="Example: reconciler secrets rotate . --new-key"
)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@_TO
@_IDENTITY
@click.option(
    "--new-key", is_flag=True, help="Make this host a new key first, and encrypt for it instead of the old one."
)
@click.pass_obj
def rotate(options: Options, folder: Path, recipients: tuple[str, ...], identity: Path | None, new_key: bool) -> None:
    """Encrypt every *.age file in FOLDER and below anew: all of them, or none.

    For whom: as with encrypt. With --new-key, an .age-recipients that lists this host's old key lists the new one then. The
    old key stays in env/age-identity.txt, so that what is in Git already can still be decrypted, until you take it out there.
    """
    from reconciler import age_keys
    from reconciler.secrets import working_copy

    identity_file, found = _identity_file(options, identity), working_copy.sealed_below(folder)
    if not found:
        raise Failure(f"there is no *.age file in {folder} or below")
    if new_key:
        if recipients:
            raise Failure(
                "--new-key encrypts for the new key and those of .age-recipients; take -r or --new-key out", WRONG_USE
            )
        working_copy.check_all(found, (), identity_file)
        if identity is None:
            roots.check_owner(Layout(options.root))
        old = age_keys.public(identity_file)
        new = age_keys.add_identity(identity_file)
        for listed in sorted({place for path in found if (place := working_copy.recipients_file(path.parent))}):
            working_copy.replace_listed(listed, old, new)
    working_copy.rotate(found, recipients, identity_file)
    for path in found:
        output.line(f"{path}: encrypted anew")
    if new_key:
        output.note(f"commit and push; when every release is applied, take the old keys out of {identity_file}")


def _identity_file(options: Options, identity: Path | None) -> Path:
    return identity or Layout(options.root).age_identity


def _tell_encrypted(sealed: Path, readers: Readers) -> None:
    output.line(f"{sealed}: encrypted for {', '.join(readers.recipients)} ({readers.source})")


def _check_env(file: Path, identity_file: Path) -> None:
    """A slip of the pen is told now, and not by the host after the push."""
    from reconciler.planning.dotenv import read_dotenv
    from reconciler.secrets.working_copy import unseal

    if file.name.endswith(".env.age"):
        for problem in read_dotenv(unseal(file, identity_file), str(file)).problems:
            output.complain(f"{problem}; it is saved all the same: edit it again")
