"""Where in a user's files something is."""

from __future__ import annotations

from pathlib import Path

from reconciler.adapters.compose.places import Found, Place, line_of, uses

COMPOSE = """services:
  web:
    image: "shop:${TAG}"
    # ${TAG} in a comment counts for nothing
    command: echo $TAG ${TAGS} $$TAG $$$TAG ${TAG:-1}
    ports: [80:80]
  a.b:
    image: x
"""


def test_each_line_that_reads_a_variable_is_named(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    assert uses("TAG", tmp_path, ["compose.yaml"], []) == (Place("compose.yaml", 3), Place("compose.yaml", 5))
    assert uses("TAGS", tmp_path, ["compose.yaml"], []) == (Place("compose.yaml", 5),)


def test_an_env_file_outside_is_named_by_its_path(tmp_path: Path) -> None:
    folder, own = tmp_path / "shop", tmp_path / "shop.env"
    folder.mkdir()
    own.write_text("A=1\nB=x$WORD\n")
    assert uses("WORD", folder, ["compose.yaml"], [own]) == (Place(str(own), 2),)


def test_what_no_named_file_reads_is_looked_for_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.yaml").write_text("image: $DEEP\n")
    (tmp_path / "picture").write_bytes(b"\xff\x00$DEEP")
    assert uses("DEEP", tmp_path, ["compose.yaml"], []) == (Place("sub/more.yaml", 1),)


def test_a_key_has_a_line_as_far_as_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE.replace("$TAG ${TAGS}", ""))
    assert line_of("services.web.image", file) == Found(3, 3)
    assert line_of("services.web.nosuch", file) == Found(2, 2)
    assert line_of("services.a.b.image", file) == Found(3, 8)
    assert line_of("networks.back", file) == Found()
    assert line_of("services", tmp_path / "nosuch.yaml") == Found()


def test_a_yaml_bomb_is_not_set_off(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    file = tmp_path / "compose.yaml"
    file.write_text("\n".join(lines))
    assert line_of("a59", file) == Found(1, 60)
