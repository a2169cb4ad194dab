"""How the plan of an adoption is told: as a story for people, as one object for programs. Never a variable's value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from reconciler.adoption.model import Adoption, Standing
from reconciler.cli import output
from reconciler.model.size import shown_bytes


def as_object(adoption: Adoption) -> dict[str, Any]:
    """The shape is documented in docs/json-output.md."""
    found = asdict(replace(adoption, volumes=dict(adoption.volumes)))
    for container in found["containers"]:
        container["restartCount"] = container.pop("restart_count")
    for file in found["files"]:
        del file["there"]
    return found


def tell(adoption: Adoption, *, dumps: bool = True) -> None:
    """``dumps``: whether the databases are backed up first."""
    output.heading(
        f"{adoption.stack} takes over from the Compose project {adoption.project or '?'} in {adoption.folder}"
    )
    for title, lines in _sections(adoption, dumps):
        if lines:
            output.line(f"\n{title}")
            for line in lines:
                output.line(f"  {line}")
    if adoption.refusals:
        output.heading("\nRefused")
        for refusal in adoption.refusals:
            output.line(f"  {refusal}")


def _sections(adoption: Adoption, dumps: bool) -> Iterator[tuple[str, list[str]]]:
    yield "While the old project serves", [*_files(adoption), *_ahead(adoption, dumps)]
    yield "From cron", [f"taken out of {entry.place}: {entry.line}" for entry in adoption.cron]
    yield "Then, one after the other", [*map(_stop, adoption.containers), *_copies(adoption)]
    yield "Kept where they are", [f"{place}, as the volume {key} of {adoption.stack}" for key, place in _kept(adoption)]
    yield "The gap", list(_gap(adoption))
    yield "Changed by hand there, and not in the repository that is followed", list(adoption.changes)
    yield "To know", list(adoption.notes)


def _files(adoption: Adoption) -> Iterator[str]:
    for file in adoption.files:
        there = ", there already" if file.there else ""
        yield f"copy {file.source} to {file.target} ({shown_bytes(file.size)}, sha256 {file.sha256[:12]}{there})"


def _ahead(adoption: Adoption, dumps: bool) -> Iterator[str]:
    if adoption.variables:
        yield f"take the {len(adoption.variables)} variables of {adoption.folder}/.env over into env/{adoption.stack}.env"
    yield "fetch the images" + (", back the databases up, and restore that backup for a try" if dumps else "")


def _stop(container: Standing) -> str:
    kept = f"kept as {container.aside}" if container.aside else "kept"
    if not container.ran:
        return f"{container.name} stands already, {kept}"
    then = f"{container.successor} takes its place" if container.successor else "nothing takes its place"
    return f"stop {container.name}, {kept}: {then}"


def _copies(adoption: Adoption) -> Iterator[str]:
    for copy in adoption.data:
        yield f"copy {copy.source} to {copy.target} ({shown_bytes(copy.size)}): {copy.service} finds it at {copy.path}"


def _kept(adoption: Adoption) -> Iterator[tuple[str, str]]:
    copied = {copy.target for copy in adoption.data}
    return ((key, place) for key, place in sorted(adoption.volumes.items()) if place not in copied)


def _gap(adoption: Adoption) -> Iterator[str]:
    first = next((one.name for one in adoption.containers if one.ran and one.successor), "")
    if not first:
        return
    copied = sum(copy.size for copy in adoption.data)
    copying = f", the copying of {shown_bytes(copied)} included" if copied else ""
    yield f"nothing answers from the stop of {first} until {adoption.stack} is healthy{copying}; it is measured and told"
    yield "if it does not become Ready, the old containers are started again, without being asked"
