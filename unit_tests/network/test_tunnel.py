"""The SSH tunnel, through the library's own server on loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncssh
import pytest

import source_vitess.check as check_module
import source_vitess.network.tunnel as tunnel_module
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.clock import SystemClock
from source_vitess.errors import ConfigError, ConnectorError, TransientError
from source_vitess.keyspace import LiveVitess
from source_vitess.network.tunnel import reachable
from source_vitess.replication.patience import Answer, ask_again
from source_vitess.settings.config import Config

HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")
OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519")
USER_KEY = asyncssh.generate_private_key("ssh-ed25519")
RSA_KEY = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
PASSPHRASE = "pass phrase"


class SshServer:
    """An SSH server in a thread.

    Attributes:
        port: Its port.
        forwarded: The ports that were asked for.
        allowed: Whether it forwards.
    """

    def __init__(self) -> None:
        self.port = 0
        self.forwarded: list[int] = []
        self.allowed = True
        self._loop = asyncio.new_event_loop()
        self._connections: list[Any] = []
        self._server: Any = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        """Starts to serve; allowed again after `stop`, on the same port."""
        if not self._thread.is_alive():
            self._thread.start()
        self._run(self._start())

    def stop(self) -> None:
        """Cuts all connections and listens no more."""
        self._run(self._stop())

    def end(self) -> None:
        """Stops for good."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    async def _start(self) -> None:
        owner = self

        class Session(asyncssh.SSHServer):
            """One client."""

            def connection_made(self, conn: Any) -> None:
                owner._connections.append(conn)

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == ("ann", "s3cret")

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: Any) -> bool:
                known = {key.get_fingerprint() for key in (USER_KEY, RSA_KEY)}
                return username == "ann" and key.get_fingerprint() in known

            def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
                owner.forwarded.append(dest_port)
                if not owner.allowed:
                    # As OpenSSH with AllowTcpForwarding no.
                    raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")
                return True

        self._server = await asyncssh.listen(
            "127.0.0.1", self.port, server_factory=Session, server_host_keys=[HOST_KEY, RSA_KEY]
        )
        self.port = self._server.get_port()

    async def _stop(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.abort()
        self._connections.clear()
        await self._server.wait_closed()


# Connections that are cut while one is being made leave a socket to the garbage collector, in asyncssh and in asyncio.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes its time: no test here is about how long a login may take."""
    monkeypatch.setattr(tunnel_module, "LOGIN_SECONDS", 90.0)
    monkeypatch.setattr(check_module, "_TUNNEL_SECONDS", 90.0)


@pytest.fixture
def ssh() -> Iterator[SshServer]:
    """An SSH server."""
    server = SshServer()
    server.start()
    yield server
    server.end()


def config(ssh: SshServer, vitess: Vitess, **change: Any) -> Config:
    """Returns a configuration with a tunnel, by default with a password."""
    fields = {
        "tunnel_method": "SSH_PASSWORD_AUTH",
        "tunnel_host": "127.0.0.1",
        "tunnel_port": ssh.port,
        "tunnel_user": "ann",
        "tunnel_user_password": "s3cret",
        "tunnel_host_key": HOST_KEY.export_public_key().decode().strip(),
    }
    return Config.from_json({"url": vitess.url, "tunnel_method": {**fields, **change}})


def with_key(key: Any, passphrase: str | None = None, form: str = "openssh", **more: Any) -> dict[str, Any]:
    """Returns the fields for a private key."""
    # Few rounds of the passphrase's derivation: a test has no time.
    more_options = {"rounds": 50} if passphrase and form == "openssh" else {}
    text = key.export_private_key(form, passphrase=passphrase, **more_options).decode()
    return {"tunnel_method": "SSH_KEY_AUTH", "ssh_key": text.replace("\n", " "), **more}


@contextmanager
def refused(kind: type[ConnectorError], words: str) -> Iterator[None]:
    """Expects an error."""
    with pytest.raises(kind) as caught:
        yield
    assert words in caught.value.message, caught.value.message


@pytest.mark.parametrize(
    "login",
    [
        {},
        with_key(USER_KEY),
        with_key(USER_KEY, PASSPHRASE, ssh_key_passphrase=PASSPHRASE),
        with_key(RSA_KEY, form="pkcs1-pem"),
        with_key(RSA_KEY, PASSPHRASE, form="pkcs8-pem", ssh_key_passphrase=PASSPHRASE),
    ],
    ids=["password", "key", "passphrase", "rsa pem", "rsa passphrase"],
)
def test_both_ports_go_through_the_tunnel(ssh: SshServer, vitess: Vitess, login: Any) -> None:
    """A check comes through, by whatever way one logs in, and nothing goes past the SSH server."""
    vitess.create_table("t", {"id": "bigint"}, key=["id"])

    lines = check_module.check(config(ssh, vitess, **login), seconds=120)

    assert any("answers on both ports" in line.text for line in lines)
    assert {vitess.vstream.port, vitess.mysql.port} <= set(ssh.forwarded)


@pytest.mark.parametrize(
    "key",
    [
        HOST_KEY.get_fingerprint(),
        RSA_KEY.get_fingerprint(),
        RSA_KEY.export_public_key().decode().strip(),
        f"[127.0.0.1]:22 {HOST_KEY.export_public_key().decode().strip()}",
    ],
    ids=["fingerprint", "fingerprint of another", "another", "known_hosts"],
)
def test_forms_of_the_host_key(ssh: SshServer, vitess: Vitess, key: str) -> None:
    """The server is taken by each of its keys, in each form."""
    with reachable(config(ssh, vitess, tunnel_host_key=key), timeout=90) as reached:
        assert reached.grpc_address[0] == reached.mysql_address[0] == "127.0.0.1"


def test_a_server_whose_key_is_not_known_gets_nothing(ssh: SshServer, vitess: Vitess) -> None:
    """Without a key the error names the one that was shown; another one is refused."""
    with refused(ConfigError, HOST_KEY.get_fingerprint()), reachable(config(ssh, vitess, tunnel_host_key="")):
        pass
    other = OTHER_KEY.export_public_key().decode().strip()
    with refused(ConfigError, "pretends to be it"), reachable(config(ssh, vitess, tunnel_host_key=other)):
        pass


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"tunnel_user_password": "no"}, ConfigError, "refuses the user ann or the password"),
        (with_key(OTHER_KEY), ConfigError, "refuses the user ann or the private key"),
        (with_key(USER_KEY, PASSPHRASE), ConfigError, "has a passphrase"),
        (with_key(USER_KEY, PASSPHRASE, ssh_key_passphrase="no"), ConfigError, "its passphrase is wrong"),
        (
            {
                "tunnel_method": "SSH_KEY_AUTH",
                "ssh_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            },
            ConfigError,
            "cannot be read",
        ),
        ({"tunnel_port": 1}, TransientError, "cannot be reached, or does not speak SSH"),
    ],
    ids=["password", "key", "locked key", "passphrase", "damaged key", "nobody"],
)
def test_what_is_wrong_is_said(
    ssh: SshServer, vitess: Vitess, change: Any, kind: type[ConnectorError], words: str
) -> None:
    """Each mistake has a message of its own."""
    with refused(kind, words), reachable(config(ssh, vitess, **change)):
        pass


def test_a_server_that_does_not_forward(ssh: SshServer, vitess: Vitess) -> None:
    """A server that may not forward is distinguished from a VTGate that does not listen."""
    ssh.allowed = False
    with refused(ConfigError, "does not forward connections to"), reachable(config(ssh, vitess), timeout=90):
        pass
    ssh.allowed = True
    vitess.mysql.stop()
    with (
        refused(TransientError, "The SSH server cannot reach VTGate at 127.0.0.1"),
        reachable(config(ssh, vitess), timeout=90),
    ):
        pass


def test_a_server_that_is_none(vitess: Vitess) -> None:
    """A port that speaks something else is named as such."""
    fields = {
        "tunnel_method": "SSH_PASSWORD_AUTH",
        "tunnel_host": "127.0.0.1",
        "tunnel_port": vitess.mysql.port,
        "tunnel_user": "ann",
        "tunnel_user_password": "s3cret",
    }
    made = Config.from_json({"url": vitess.url, "tunnel_method": fields})
    with refused(TransientError, "does not speak SSH"), reachable(made, timeout=30):
        pass


def patiently(ask: Callable[[], Answer], clock: SystemClock) -> Answer:
    """Returns an answer, asking twenty times again."""
    asking = ask_again(ask, clock, 20)
    while True:
        try:
            next(asking)
        except StopIteration as answered:
            answer: Answer = answered.value
            return answer


def test_a_lost_connection_is_made_again(ssh: SshServer, vitess: Vitess) -> None:
    """The ports stay the same, and an error meanwhile blames the tunnel."""
    vitess.create_table("t", {"id": "bigint"}, key=["id"])
    clock = SystemClock()
    with reachable(config(ssh, vitess), timeout=90) as reached:
        ssh.stop()
        ssh.start()
        with patiently(lambda: LiveVitess.connect(reached, clock), clock) as live:
            assert patiently(live.schema, clock).tables
    with refused(TransientError, "The SSH tunnel was lost"), reachable(config(ssh, vitess), timeout=90) as reached:
        ssh.stop()
        with LiveVitess.connect(reached, clock):
            pass
    ssh.start()
