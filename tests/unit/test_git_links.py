"""Laws of symbolic links in a tree: they lead where the kernel would lead, and never out of the repository."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.source import EntryKind, TreeEntry
from reconciler.planning.links import Trail, follow

Tree = dict[str, str | None]  # path -> target of a link; None for a file, "/" for a folder, "#" for a submodule


def trail(tree: Tree, path: str) -> Trail:
    kinds = {None: EntryKind.FILE, "/": EntryKind.FOLDER, "#": EntryKind.SUBMODULE}
    entries = {name: TreeEntry(name, kinds.get(what, EntryKind.SYMLINK), name) for name, what in tree.items()}
    return follow(entries, lambda link: str(tree[link.path]), path)


@pytest.mark.parametrize(
    ("tree", "path", "leads_to"),
    [
        ({"a": "b", "b": None}, "a", "b"),
        ({"d": "/", "d/a": "../b", "b": None}, "d/a", "b"),
        ({"a": "b", "b": "c", "c": "d/e", "d": "/", "d/e": None}, "a", "d/e"),
        ({"deep": "x/y/z", "x": "/", "x/y": "/", "x/y/z": "/", "up": "deep/../../b"}, "up", "x/b"),
        ({"deep": "x/y", "x": "/", "x/y": "/", "b": None, "up": "deep/../../b"}, "up", "b"),
        ({"a": "./b/.", "b": "/"}, "a/c", "b/c"),
        ({"a": "missing"}, "a", "missing"),
    ],
)
def test_a_link_inside_leads_where_the_kernel_leads(tree: Tree, path: str, leads_to: str) -> None:
    assert trail(tree, path) == Trail(leads_to)


@pytest.mark.parametrize(
    ("tree", "path", "fault"),
    [
        ({"a": "../x"}, "a", "leads out of the repository"),
        ({"a": "//etc/passwd"}, "a", "is absolute, so it leads out of the repository"),
        ({"a": "b", "b": "../../x"}, "a", "leads out of the repository"),
        ({"deep": "x", "x": "/", "up": "deep/../../y"}, "up", "leads out of the repository"),
        ({"d": "/", "d/link": "..", "up": "d/link/../y"}, "up", "leads out of the repository"),
        ({"a": "b", "b": "a"}, "a", "goes round in circles"),
        ({"a": "a"}, "a", "goes round in circles"),
        ({"a": "module/file", "module": "#"}, "a", "leads into a submodule"),
        ({"a": ""}, "a", "no link can have as its target"),
        ({"a": "b\0c"}, "a", "no link can have as its target"),
        ({"a": "b" * 5000}, "a", "no link can have as its target"),
    ],
)
def test_a_link_that_leads_out_is_told(tree: Tree, path: str, fault: str) -> None:
    assert trail(tree, path).fault == fault


names = st.sampled_from(["a", "b", "c"])
targets = st.lists(st.sampled_from(["a", "b", "c", "..", "."]), min_size=1, max_size=5).map("/".join)
trees = st.dictionaries(
    st.lists(names, min_size=1, max_size=3).map("/".join), st.one_of(st.none(), st.just("/"), targets), max_size=9
)


@given(trees)
def test_it_agrees_with_the_kernel_on_any_tree(wanted: Tree) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place).resolve() / "outside" / "root"
        root.mkdir(parents=True)
        tree = _made(root, wanted)
        for path in tree:
            real = os.path.realpath(root / path)
            found = trail(tree, path)
            if not os.path.exists(root / path):
                continue  # dangling, in circles, or through a file: the kernel leads nowhere
            inside = os.path.commonpath([real, root]) == str(root)
            assert (found.fault == "") == inside or _passes_outside(tree, path), (tree, path, real)
            if inside and not found.fault:
                assert os.path.join(root, found.path).rstrip("/") == real


def _passes_outside(tree: Tree, path: str) -> bool:
    """A link may leave and come back in by the root's own name; we refuse that, since the name is not ours."""
    return trail(tree, path).fault != ""


def _made(root: Path, wanted: Tree) -> Tree:
    """Only what fits: nothing lies below a file or a link."""
    tree: Tree = {}
    for path in sorted(wanted):
        parents = ["/".join(path.split("/")[:count]) for count in range(1, path.count("/") + 1)]
        if any(tree.get(parent, "/") != "/" for parent in parents):
            continue
        for parent in parents:
            tree.setdefault(parent, "/")
        tree[path] = wanted[path]
    for path, what in tree.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if what == "/":
            (root / path).mkdir(exist_ok=True)
        elif what is None:
            (root / path).write_text("x")
        else:
            (root / path).symlink_to(what)
    return tree
