"""Who is connected to a container, told from what the kernel writes."""

from __future__ import annotations

from pathlib import Path

from reconciler.traffic.connections import Connection, address_of, connections_of

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(local: str, remote: str, state: str) -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"


def kernel(tmp_path: Path, tcp: str = "", tcp6: str = "") -> Path:
    folder = tmp_path / "7" / "net"
    folder.mkdir(parents=True)
    (folder / "tcp").write_text(HEAD + tcp)
    (folder / "tcp6").write_text(HEAD + tcp6)
    return tmp_path


def test_only_connections_of_others_that_are_or_begin_to_be_count(tmp_path: Path) -> None:
    text = (
        line("00000000:0BB8", "00000000:0000", "0A")  # it listens
        + line("0202000A:0BB8", "0302000A:8000", "01")  # 10.0.2.3 asks
        + line("0202000A:0BB8", "0402000A:8001", "03")  # 10.0.2.4 begins to
        + line("0202000A:0BB8", "0502000A:8002", "06")  # over
        + line("0100007F:0BB8", "0100007F:8003", "01")  # its own healthcheck
    )
    found = connections_of(7, kernel(tmp_path, text))
    assert found == (Connection(3000, "10.0.2.3"), Connection(3000, "10.0.2.4"))


def test_an_address_of_version_four_in_version_six_is_what_it_was(tmp_path: Path) -> None:
    mapped = "0000000000000000FFFF00000302000A"
    found = connections_of(7, kernel(tmp_path, tcp6=line(f"{mapped}:0BB8", f"{mapped}:8000", "01")))
    assert found == (Connection(3000, "10.0.2.3"),)


def test_an_address_of_version_six_is_read() -> None:
    assert str(address_of("B80D01200000000000000000" + "01000000")) == "2001:db8::1"


def test_a_process_that_is_none_has_no_connections_and_one_that_cannot_be_seen_is_not_known(tmp_path: Path) -> None:
    assert connections_of(0, tmp_path) == ()
    assert connections_of(7, tmp_path) is None
