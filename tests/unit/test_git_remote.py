"""Laws of addresses: what git may be handed, and what may be shown of them."""

from __future__ import annotations

import pytest

from reconciler.model.errors import StalledError
from reconciler.model.remote import Transport, check_branch, parse_remote, redacted


@pytest.mark.parametrize(
    ("url", "transport", "address", "host", "port"),
    [
        (
            "ssh://git@git.example.com/ops/c.git",
            Transport.SSH,
            "ssh://git@git.example.com/ops/c.git",
            "git.example.com",
            None,
        ),
        (
            "ssh://git@git.example.com:2222/c",
            Transport.SSH,
            "ssh://git@git.example.com:2222/c",
            "git.example.com",
            2222,
        ),
        ("git@git.example.com:ops/c.git", Transport.SSH, "git@git.example.com:ops/c.git", "git.example.com", None),
        ("git.example.com:c.git", Transport.SSH, "git.example.com:c.git", "git.example.com", None),
        ("https://git.example.com/c.git", Transport.HTTPS, "https://git.example.com/c.git", "git.example.com", None),
        ("https://git.example.com:8443/c", Transport.HTTPS, "https://git.example.com:8443/c", "git.example.com", 8443),
        ("file:///srv/config.git", Transport.LOCAL, "/srv/config.git", "", None),
        ("file:///srv/my%20config", Transport.LOCAL, "/srv/my config", "", None),
        ("/srv/config:old", Transport.LOCAL, "/srv/config:old", "", None),
    ],
)
def test_an_address_is_understood(url: str, transport: Transport, address: str, host: str, port: int | None) -> None:
    remote = parse_remote(url)
    assert (remote.transport, remote.address, remote.host, remote.port) == (transport, address, host, port)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "-upload-pack=touch /tmp/x",
        "--upload-pack=x",
        "ext::sh -c 'touch /tmp/x'",
        "fd::17/foo",
        "http://git.example.com/c.git",
        "git://git.example.com/c.git",
        "ftp://git.example.com/c.git",
        "rsync://git.example.com/c.git",
        "ssh://-oProxyCommand=touch/x",
        "-oProxyCommand=x:path",
        "git@-oProxyCommand=x:path",
        "ssh://git:secret@git.example.com/c.git",
        "https://",
        "https:///path",
        "https://git.example.com",
        "https://git.example.com:port/c",
        "file://other.host/srv/c",
        "relative/path",
        "./here",
        "~/config",
        "https://git.example.com/c\nx",
    ],
)
def test_an_address_that_git_must_not_be_handed_is_refused(url: str) -> None:
    with pytest.raises(StalledError):
        parse_remote(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:hunter2@git.example.com/c.git",
        "https://hunter2@git.example.com/c.git",
        "https://ann:hun%74er2@git.example.com/c.git",
    ],
)
def test_a_login_is_taken_out_of_an_https_address(url: str) -> None:
    remote = parse_remote(url)
    assert remote.address == "https://git.example.com/c.git"
    assert "hunter2" in (remote.password, remote.username)
    assert "hunter2" not in repr(remote) or remote.username == "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        "http://ann:hunter2@git.example.com/c.git",
        "ssh://git:hunter2@git.example.com/c.git",
        "https://ann:hunter2@git.example.com",
        "https://ann:hun/ter2@hunter2@git.example.com:no/c.git",
        "ftp://hunter2@git.example.com/c",
    ],
)
def test_a_refusal_never_shows_a_login(url: str) -> None:
    with pytest.raises(StalledError) as caught:
        parse_remote(url)
    assert "hunter2" not in str(caught.value)
    assert "ter2" not in str(caught.value)
    assert "git.example.com" in str(caught.value)


def test_logins_are_taken_out_of_whatever_git_says() -> None:
    said = "fatal: unable to access 'https://ann:hunter2@h/x/': no; see ssh://git:hunter2@h/y and ssh://git@h/z"
    assert redacted(said) == "fatal: unable to access 'https://***@h/x/': no; see ssh://git:***@h/y and ssh://git@h/z"


@pytest.mark.parametrize("name", ["main", "release/1.2", "a-b_c", "feature/x.y", "日本"])
def test_a_name_of_a_branch_is_accepted(name: str) -> None:
    check_branch(name)


@pytest.mark.parametrize(
    "name",
    ["", "-x", "a..b", "a b", "a:b", "+a*", "a~1", "a^", "a?", "a[", "a\\b", "/a", "a/", "a//b", ".a", "a/.b", "a.lock",
     "a.lock/b", "@", "a@{1}", "a.", "a\x07"],
)  # fmt: skip
def test_what_cannot_be_a_branch_is_refused(name: str) -> None:
    with pytest.raises(StalledError, match=r"source\.branch"):
        check_branch(name)
