"""The SSH tunnel: both ports of VTGate, reached through an SSH server.

- The library is asyncssh. It runs in a thread of its own; what is forwarded listens on free ports of the loopback
  interface, and so is open to other programs of the same machine (in a container: to none).
- The server's key must be the one that is configured. Without one nothing is sent, and the error names the key that
  the server showed.
- A connection that is lost is made again, on the same ports, as long as the tunnel lasts. Whoever used it sees lost
  connections, as without a tunnel.
- Nothing is read from the user's own ~/.ssh, and no agent is asked.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager, suppress
from typing import Any

from source_vitess.error_rules import redact
from source_vitess.errors import ConfigError, ConnectorError, TransientError
from source_vitess.settings.config import Address, Config
from source_vitess.settings.encryption import Tunnel

#: Seconds to connect and log in.
LOGIN_SECONDS = 15.0
#: Seconds between two signs of life; three that are missing end the connection.
_KEEPALIVE_SECONDS = 15.0
_LONGEST_PAUSE = 10.0
_LOOPBACK = "127.0.0.1"
_CLOSE_SECONDS = 5.0
#: Seconds in which the end of a connection that is under way is seen.
_MOMENT = 1.0

#: Signatures by type of key (RFC 8709, RFC 5656, RFC 8332), in the order in which ssh(1) prefers them.
_SIGNATURES = {
    "ssh-ed25519": ["ssh-ed25519"],
    "ecdsa": ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"],
    "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
}


@contextmanager
def reachable(config: Config, *, timeout: float = LOGIN_SECONDS) -> Iterator[Config]:
    """Yields the configuration with the addresses at which VTGate's ports can be reached while the context lasts.

    Args:
        config: The configuration; without a tunnel it is yielded as it is.
        timeout: Seconds to connect, log in and reach both ports.

    Raises:
        ConfigError: The SSH server's key is another one or not known, it refuses the user, or it may not forward.
        TransientError: The SSH server, or VTGate behind it, cannot be reached now.
    """
    if config.tunnel_method is None:
        yield config
        return
    forwarding = _Forwarding(config.tunnel_method, config)
    try:
        grpc, mysql = forwarding.start(timeout)
        try:
            yield config.through(grpc=grpc, mysql=mysql)
        except TransientError as error:
            lost = forwarding.why_lost()
            if lost is None:
                raise
            raise TransientError(
                f"The SSH tunnel was lost. {lost.message} {error.message}", detail=error.detail
            ) from error
    finally:
        forwarding.stop()


class _Forwarding:
    """An SSH connection with two forwarded ports, held in a thread.

    Attributes:
        lost: Why there is no connection now, as far as that was seen; None if there is one.
    """

    def __init__(self, tunnel: Tunnel, config: Config) -> None:
        # Deriving a key from a passphrase takes long on purpose, so it is done once, and before any clock runs.
        self._key = _private_key(tunnel) if tunnel.key else None
        self.lost: ConnectorError | None = None
        self._tunnel = tunnel
        self._targets = [(config.url.host, config.url.grpc_port), (config.url.host, config.url.mysql_port)]
        self._ports = [0, 0]
        self._loop = asyncio.new_event_loop()
        self._keeper: asyncio.Task[None] | None = None  # a task that nobody holds may be collected
        self._connection: Any = None
        self._thread = threading.Thread(target=self._run, name="ssh-tunnel", daemon=True)

    def start(self, timeout: float) -> tuple[Address, Address]:
        """Connects, and returns the addresses of the gRPC and the MySQL port."""
        self._thread.start()
        opening = asyncio.run_coroutine_threadsafe(self._open(timeout), self._loop)
        try:
            opening.result(timeout)
        except FutureTimeoutError:
            opening.cancel()
            raise _unreachable(self._tunnel, f"no answer within {timeout:.0f} seconds") from None
        grpc, mysql = self._ports
        return (_LOOPBACK, grpc), (_LOOPBACK, mysql)

    def why_lost(self) -> ConnectorError | None:
        """Returns why there is no connection now, None if there is one.

        It waits a moment: connections through the tunnel may end before the tunnel's own end is seen.
        """
        known = self.lost
        if known is not None:
            return known
        ending = asyncio.run_coroutine_threadsafe(self._connection.wait_closed(), self._loop)
        try:
            ending.result(_MOMENT)
        except FutureTimeoutError:
            ending.cancel()
            return None
        return _unreachable(self._tunnel, "the connection ended")

    def stop(self) -> None:
        """Ends the connection and the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(2 * _CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._close())
            self._loop.close()

    async def _open(self, timeout: float) -> None:
        self._connection = await _connect(self._tunnel, self._key, timeout)
        for target in self._targets:
            await self._try(target)
        await self._forward()
        self._keeper = asyncio.create_task(self._keep())

    async def _try(self, target: Address) -> None:
        """Reaches VTGate once from the SSH server: a forwarded port takes connections whether or not that works."""
        import asyncssh  # half a second that only a tunnel costs

        try:
            _, writer = await self._connection.open_connection(*target)
        except asyncssh.ChannelOpenError as error:
            host, port = target
            if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                raise ConfigError(
                    f"The SSH server does not forward connections to {host}:{port}. Allow it (AllowTcpForwarding and "
                    "PermitOpen in sshd_config), or check the host and the ports in the field url.",
                    detail=redact(str(error)),
                ) from error
            raise TransientError(
                f"The SSH server cannot reach VTGate at {host}:{port}. Check the host and the ports in the field url: "
                "with a tunnel they are what the SSH server sees.",
                detail=redact(str(error)),
            ) from error
        writer.close()

    async def _forward(self) -> None:
        for index, (host, port) in enumerate(self._targets):
            listener = await self._connection.forward_local_port(_LOOPBACK, self._ports[index], host, port)
            self._ports[index] = listener.get_port()

    async def _keep(self) -> None:
        """Connects again whenever the connection is lost."""
        while True:
            await self._connection.wait_closed()
            self.lost = _unreachable(self._tunnel, "the connection ended")
            pause = 0.5
            while self.lost is not None:
                try:
                    self._connection = await _connect(self._tunnel, self._key, LOGIN_SECONDS)
                    await self._forward()
                    self.lost = None
                except ConnectorError as error:
                    self.lost = error
                except OSError as error:
                    self.lost = _unreachable(self._tunnel, str(error))
                if self.lost is not None:
                    # Ports that are forwarded already would be in the way of the next try. Once more does no harm.
                    self._connection.abort()
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)

    async def _close(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._connection.wait_closed(), _CLOSE_SECONDS)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _connect(tunnel: Tunnel, key: Any, timeout: float) -> Any:
    """Connects and logs in.

    Raises:
        ConfigError: The user has to act.
        TransientError: The server cannot be reached now.
    """
    import asyncssh

    logging.getLogger("asyncssh").setLevel(logging.ERROR)
    shown: list[str] = []
    algorithms = [*_SIGNATURES.values()]
    if tunnel.host_key_type:
        algorithms = [_SIGNATURES.get(tunnel.host_key_type, [tunnel.host_key_type])]
    elif not tunnel.host_key:
        algorithms = [[name for names in algorithms for name in names]]
    # A server has a key of each type and shows the first that is asked for; a fingerprint does not show its type.
    broken: Exception | None = None
    for names in algorithms:
        try:
            return await _connect_by(tunnel, key, names, shown, timeout)
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed):
            continue
        except asyncssh.PermissionDenied as error:
            what = "the private key" if tunnel.key else "the password"
            raise ConfigError(
                f"The SSH server {tunnel.host}:{tunnel.port} refuses the user {tunnel.user} or {what}. Check the "
                "fields of tunnel_method, and that the server allows this way to log in."
            ) from error
        except (asyncssh.DisconnectError, ConnectionResetError) as error:
            # OpenSSH hangs up on a client that wants a type of key which it has not.
            broken = error
        except (asyncssh.Error, OSError, asyncio.TimeoutError) as error:
            raise _unreachable(tunnel, str(error) or type(error).__name__) from error
    if broken is not None and not shown:
        raise _unreachable(tunnel, str(broken)) from broken
    raise _wrong_key(tunnel, shown)


async def _connect_by(tunnel: Tunnel, key: Any, algorithms: list[str], shown: list[str], timeout: float) -> Any:
    """Connects with a key of the server that makes one of these signatures, and adds the key to those shown."""
    import asyncssh

    class Client(asyncssh.SSHClient):
        """Looks at the server's key, before anything is sent that proves who we are."""

        def validate_host_public_key(self, host: str, addr: str, port: int, key: Any) -> bool:
            shown.append(f"{key.get_fingerprint()} ({key.get_algorithm()})")
            return bool(tunnel.host_key and key.get_fingerprint() == tunnel.host_key)

    return await asyncssh.connect(
        tunnel.host,
        tunnel.port,
        username=tunnel.user,
        client_factory=Client,
        client_keys=[key] if key else None,
        password=tunnel.password or None,
        preferred_auth="publickey" if key else "password,keyboard-interactive",
        known_hosts=asyncssh.import_known_hosts(""),
        server_host_key_algs=algorithms,
        config=None,
        agent_path=None,
        gss_host=None,
        connect_timeout=timeout,
        login_timeout=timeout,
        keepalive_interval=_KEEPALIVE_SECONDS,
    )


def _private_key(tunnel: Tunnel) -> Any:
    import asyncssh

    try:
        return asyncssh.import_private_key(tunnel.key, tunnel.key_passphrase or None)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        if "assphrase" in str(error) and not tunnel.key_passphrase:
            text = "The private key in tunnel_method.ssh_key has a passphrase. Fill in ssh_key_passphrase."
        elif tunnel.key_passphrase:
            text = "The private key in tunnel_method.ssh_key cannot be read, or its passphrase is wrong."
        else:
            text = "The private key in tunnel_method.ssh_key cannot be read."
        # Without the cause: it may quote the key.
        raise ConfigError(text) from None


def _wrong_key(tunnel: Tunnel, shown: list[str]) -> ConfigError:
    server = f"The SSH server {tunnel.host}:{tunnel.port}"
    if not shown:
        return ConfigError(
            f"{server} has no host key of the type that tunnel_method.tunnel_host_key names, or shares no other "
            "algorithm with this connector."
        )
    if not tunnel.host_key:
        return ConfigError(
            f"{server} shows the host key {shown[0]}. If its administrator confirms that key, paste it "
            "into tunnel_method.tunnel_host_key: SHA256:… is enough."
        )
    return ConfigError(
        f"{server} shows the host key {' and '.join(shown)}, and tunnel_method.tunnel_host_key is "
        f"{tunnel.host_key}. Nothing was sent to it: either it got a new key, or somebody pretends to be it."
    )


def _unreachable(tunnel: Tunnel, why: str) -> TransientError:
    return TransientError(
        f"The SSH server {tunnel.host}:{tunnel.port} cannot be reached, or does not speak SSH.", detail=redact(why)
    )
