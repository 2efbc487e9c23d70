"""The choice of ports."""

import socket
from pathlib import Path

import pytest

from vitess_local.errors import VitessLocalError
from vitess_local.servers.ports import (
    LOOPBACK,
    PORT_RANGE,
    accepts_connections,
    choose_ports,
    port_is_free,
    reserve_port,
)


def test_ports_in_use_or_reserved_are_passed_over() -> None:
    """Reserved ports may belong to a stopped cluster, so nobody listens on them."""
    chosen = choose_ports(3, {101, 104}, candidates=range(100, 110), is_free=lambda port: port != 102)

    assert chosen == [100, 103, 105]


def test_too_few_ports_are_an_error() -> None:
    """A cluster never starts with fewer ports than it needs."""
    with pytest.raises(VitessLocalError, match="Fewer than 3"):
        choose_ports(3, set(), candidates=range(100, 102), is_free=lambda _: True)


def test_ports_stay_below_the_ephemeral_range() -> None:
    """An outgoing connection must not take the port of a stopped server."""
    assert PORT_RANGE.stop <= 32768


def test_a_port_somebody_listens_on_is_not_free() -> None:
    """The check is made with a real socket."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]

        assert not port_is_free(port)
        assert accepts_connections(port)

    assert port_is_free(port)
    assert not accepts_connections(port)


def test_a_reserved_port_is_given_out_once(tmp_path: Path) -> None:
    """A MySQL server listens seconds after its port was chosen; another one that starts meanwhile gets its own."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        taken = listener.getsockname()[1]
        candidates = [taken, *range(31999, 28000, -1)]

        first = reserve_port(tmp_path, candidates)
        second = reserve_port(tmp_path, candidates)

        assert len({taken, first.number, second.number}) == 3
        first.release()
        assert reserve_port(tmp_path, [first.number]).number == first.number
        with pytest.raises(VitessLocalError, match="no free port"):
            reserve_port(tmp_path, [taken, second.number])
        second.release()
