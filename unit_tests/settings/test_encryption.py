"""The fields `tls` and `tunnel_method`, and what follows from them."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
import trustme

from source_vitess.errors import ConfigError
from source_vitess.settings.config import Config
from source_vitess.settings.encryption import TlsMode, is_loopback

CA = trustme.CA()
CERTIFICATE = CA.cert_pem.bytes().decode()
LEAF = CA.issue_cert("airbyte.example")
LEAF_PEM = LEAF.cert_chain_pems[0].bytes().decode()
KEY = LEAF.private_key_pem.bytes().decode()
BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + b"k" * 32).decode()
FINGERPRINT = "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(BLOB)).digest()).decode().rstrip("=")
SSH = {
    "tunnel_method": "SSH_PASSWORD_AUTH",
    "tunnel_host": "bastion",
    "tunnel_user": "ann",
    "tunnel_user_password": "x",
}


def config(**fields: Any) -> Config:
    """Returns a configuration for a VTGate elsewhere."""
    return Config.from_json({"url": "vitess://gate.example/main", **fields})


def message(**fields: Any) -> str:
    """Returns the error message for a configuration that is wrong."""
    with pytest.raises(ConfigError) as caught:
        config(**fields)
    return str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LocalHost.", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("128.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - not bound
        ("::", False),
        ("10.0.0.1", False),
        ("2130706433", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    """Only what is this machine on every machine counts, not what a name server may answer."""
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("url", "tls", "mode"),
    [
        ("vitess://gate.example/main", None, TlsMode.REQUIRED),
        ("vitess://gate.example/main", {}, TlsMode.REQUIRED),
        ("vitess://localhost/main", None, TlsMode.DISABLED),
        ("vitess://[::1]/main", None, TlsMode.DISABLED),
        ("vitess://localhost/main", {"mode": "required"}, TlsMode.REQUIRED),
        ("vitess://gate.example/main", {"mode": "disabled"}, TlsMode.DISABLED),
    ],
)
def test_connections_are_encrypted_unless_somebody_said_otherwise(url: str, tls: Any, mode: TlsMode) -> None:
    """Without a choice only this machine is talked to in clear."""
    assert Config.from_json({"url": url, "tls": tls}).encryption.mode is mode


def test_everything_of_tls_is_read() -> None:
    """All that verify_identity has arrives, in its proper form."""
    tls = config(
        tls={
            "mode": "verify_identity",
            "ca_certificate": CERTIFICATE.replace("\n", "\\n"),
            "client_certificate": LEAF_PEM,
            "client_key": KEY.replace("\n", " "),
            "client_key_password": "pw",
            "server_name": "vt.example",
        }
    ).encryption

    assert (tls.ca_certificate, tls.client_certificate, tls.client_key) == (CERTIFICATE, LEAF_PEM, KEY)
    assert (tls.mode, tls.client_key_password, tls.server_name) == (TlsMode.VERIFY_IDENTITY, "pw", "vt.example")


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        ("required", "field tls must be an object, found text"),
        ({"ca_certificate": CERTIFICATE}, "field tls.mode is missing"),
        ({"mode": "preferred"}, "field tls.mode must be one of disabled, required, verify_ca, verify_identity"),
        ({"mode": "verify_ca", "ca_certificate": 7}, "field tls.ca_certificate must be text, found a number"),
        ({"mode": "required", "client_key": KEY}, "field tls.client_certificate is empty"),
        ({"mode": "required", "client_certificate": LEAF_PEM}, "field tls.client_key is empty"),
        ({"mode": "verify_identity", "server_name": "a b"}, "field tls.server_name must be a host name"),
    ],
)
def test_mistakes_in_tls_are_named(tls: Any, words: str) -> None:
    """A wrong value is reported by field and value; of a secret only its kind is shown."""
    assert words in message(tls=tls)
    assert KEY[60:90] not in message(tls=tls)


def test_everything_of_the_tunnel_is_read() -> None:
    """The fields that users know from Airbyte's sources arrive, and a fingerprint is told from a key."""
    tunnel = config(tunnel_method={**SSH, "tunnel_port": 2222, "tunnel_host_key": f"bastion ssh-ed25519 {BLOB} me"})

    found = tunnel.tunnel_method
    assert found is not None
    assert (found.host, found.port, found.user, found.password) == ("bastion", 2222, "ann", "x")
    assert (found.host_key, found.host_key_type) == (FINGERPRINT, "ssh-ed25519")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"ssh-ed25519 {BLOB}", "ssh-ed25519"),
        (f"[bastion]:2222,10.0.0.1 ssh-ed25519 {BLOB}", "ssh-ed25519"),
        (FINGERPRINT, ""),
        (f"256 {FINGERPRINT} root@bastion (ED25519)", ""),
        (f" {FINGERPRINT}=\t".strip(), ""),
    ],
)
def test_forms_of_a_host_key(text: str, kind: str) -> None:
    """What ssh-keyscan, the .pub files and `ssh-keygen -l` write can be pasted."""
    tunnel = config(tunnel_method={**SSH, "tunnel_host_key": text}).tunnel_method

    assert tunnel is not None
    assert (tunnel.host_key, tunnel.host_key_type) == (FINGERPRINT, kind)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tunnel_method": "SSH"}, "tunnel_method.tunnel_method must be one of NO_TUNNEL, SSH_KEY_AUTH"),
        ({"tunnel_host": ""}, "field tunnel_method.tunnel_host is missing"),
        ({"tunnel_host": "ba stion"}, "field tunnel_method.tunnel_host must be a host name"),
        ({"tunnel_user": None}, "field tunnel_method.tunnel_user is missing"),
        ({"tunnel_port": 0}, "field tunnel_method.tunnel_port must be a whole number from 1 to 65535, found 0"),
        ({"tunnel_user_password": ""}, "field tunnel_method.tunnel_user_password is missing"),
        ({"tunnel_method": "SSH_KEY_AUTH"}, "field tunnel_method.ssh_key is missing"),
        ({"tunnel_method": "SSH_KEY_AUTH", "ssh_key": "id_rsa"}, "tunnel_method.ssh_key does not hold a private key"),
        ({"tunnel_host_key": "MD5:ab:cd"}, "field tunnel_method.tunnel_host_key must be a public key"),
        ({"tunnel_host_key": "SHA256:short"}, "field tunnel_method.tunnel_host_key must be a public key"),
    ],
)
def test_mistakes_in_the_tunnel_are_named(change: Any, words: str) -> None:
    """A wrong value is reported by field and value."""
    assert words in message(tunnel_method={**SSH, **change})


def test_no_tunnel() -> None:
    """The choice not to have one is the same as no choice."""
    assert config(tunnel_method={"tunnel_method": "NO_TUNNEL"}).tunnel_method is None
    assert config(tunnel_method={}).tunnel_method is None


def test_warnings() -> None:
    """A password in clear is warned of, and so are fields that have no effect; on this machine all is well."""
    login = {"username": "bob", "password": "s3cret"}

    assert "in clear" in config(tls={"mode": "disabled"}, **login).warnings[0]
    assert (
        "between the SSH server and gate.example in clear"
        in (config(tls={"mode": "disabled"}, tunnel_method=SSH, **login).warnings[0])
    )
    assert config(tls={"mode": "disabled"}).warnings == ()
    assert config(tls={"mode": "verify_ca", "ca_certificate": CERTIFICATE}, **login).warnings == ()
    assert "not verified" in config(**login).warnings[0]
    assert Config.from_json({"url": "vitess://localhost/main", **login}).warnings == ()
    assert (
        "does not know the field 'tablet_typ'"
        in (Config.from_json({"url": "vitess://localhost/main", "tablet_typ": "REPLICA"}).warnings[0])
    )
    filters = [{"table": "a", "condition": "n = 1"}, {"table": "b", "condition": "n = 1", "shard": "-80"}]
    assert (
        "does not know the field 'row_filters[1].shard'"
        in (Config.from_json({"url": "vitess://localhost/main", "row_filters": filters}).warnings[0])
    )


def test_secrets_and_repr() -> None:
    """Keys and passwords of both are hidden, line by line, and in no repr."""
    found = config(
        tls={"mode": "required", "client_certificate": LEAF_PEM, "client_key": KEY, "client_key_password": "CANARY 1"},
        tunnel_method={
            **SSH,
            "tunnel_method": "SSH_KEY_AUTH",
            "ssh_key": CA.private_key_pem.bytes().decode(),
            "ssh_key_passphrase": "CANARY 2",
        },
    )
    lines = [line for pem in (KEY, CA.private_key_pem.bytes().decode()) for line in pem.splitlines()[1:-1]]

    assert {"CANARY 1", "CANARY%201", "CANARY 2", KEY, *(line for line in lines if len(line) > 40)} <= set(
        found.secrets
    )
    assert not any(secret in repr(found) for secret in ("CANARY", *lines))
