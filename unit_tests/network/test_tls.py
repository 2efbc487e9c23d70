"""Encryption of both ports against servers with every kind of certificate."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from instruments.raw_mysql import SALT, Peer, mysql_server
from instruments.scripted_vtgate.vstream_server import Call, VStreamServer
from source_vitess.errors import ConfigError
from source_vitess.mysql.session import VtgateSession
from source_vitess.proto import vtgate_pb2
from source_vitess.settings.config import Config
from source_vitess.vstream.client import VStreamClient
from source_vitess.vstream.response import Response

CA, OTHER = trustme.CA(), trustme.CA()
SERVER = CA.issue_cert("gate.example")
CLIENT = CA.issue_cert("airbyte@example.org")
CA_PEM = CA.cert_pem.bytes().decode()
KEY_PASSWORD = "pass w:ord"
VERIFY_IDENTITY = {"mode": "verify_identity", "ca_certificate": CA_PEM, "server_name": "gate.example"}


def mode(tls: Any) -> str:
    """Names a test."""
    return str(tls["mode"])


def pem(certificate: trustme.LeafCert) -> str:
    """Returns a certificate with what it needs."""
    return "".join(blob.bytes().decode() for blob in certificate.cert_chain_pems)


def encrypted_key(certificate: trustme.LeafCert) -> str:
    """Returns a key with a password."""
    key: Any = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    return str(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(KEY_PASSWORD.encode()),
        ).decode()
    )


CLIENT_FIELDS = {"client_certificate": pem(CLIENT), "client_key": CLIENT.private_key_pem.bytes().decode()}


def answer(call: Call) -> Iterator[vtgate_pb2.VStreamResponse]:
    """Answers with one empty response."""
    yield vtgate_pb2.VStreamResponse()


@contextmanager
def gate(certificate: trustme.LeafCert | None, *, clients: trustme.CA | None = None) -> Iterator[str]:
    """Serves both ports with a certificate, or without one, and yields their URL."""
    credentials, context = None, None
    if certificate is not None:
        pair = (certificate.private_key_pem.bytes(), pem(certificate).encode())
        roots = clients.cert_pem.bytes() if clients else None
        credentials = grpc.ssl_server_credentials([pair], roots, require_client_auth=clients is not None)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        if clients is not None:
            clients.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED

    def serve(peer: Peer) -> None:
        peer.greet(tls=context)
        peer.accept_all()

    with VStreamServer(answer, tls=credentials) as vstream, mysql_server(serve) as (port, _):
        yield f"vitess://127.0.0.1:{vstream.port}/main?mysql_port={port}"


def connect(url: str, tls: Any) -> tuple[str, str]:
    """Uses both ports, and returns what went wrong on each; nothing if nothing did."""
    config = Config.from_json({"url": url, "tls": tls, "username": "bob", "password": "s3cret"})
    found = []
    for attempt in (_use_grpc, _use_mysql):
        try:
            attempt(config)
            found.append("")
        except ConfigError as error:
            found.append(error.message)
    return found[0], found[1]


def _use_grpc(config: Config) -> None:
    with VStreamClient(config) as client, client.stream(vtgate_pb2.VStreamRequest(), timeout=60) as stream:
        assert list(stream) == [Response(b"")]


def _use_mysql(config: Config) -> None:
    with VtgateSession.connect(config, statement_timeout=60) as session:
        assert session.query("use main") == []


@pytest.mark.parametrize(
    "tls",
    [
        {"mode": "required"},
        {"mode": "verify_ca", "ca_certificate": CA_PEM},
        VERIFY_IDENTITY,
        {**VERIFY_IDENTITY, "ca_certificate": CA_PEM.replace("\n", "\\n")},
    ],
    ids=mode,
)
def test_both_ports_are_encrypted(tls: Any) -> None:
    """Each mode takes the certificate that fits, on both ports."""
    with gate(SERVER) as url:
        assert connect(url, tls) == ("", "")


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        ({"mode": "verify_ca", "ca_certificate": OTHER.cert_pem.bytes().decode()}, "not signed by the CA"),
        ({"mode": "verify_identity"}, "not signed by the CA"),
        ({"mode": "verify_identity", "ca_certificate": CA_PEM}, "is not for the host that is connected to (127.0.0.1)"),
        (
            {**VERIFY_IDENTITY, "server_name": "other.example"},
            "is not for the host that is connected to (other.example)",
        ),
    ],
)
def test_a_certificate_that_does_not_fit_is_refused(tls: Any, words: str) -> None:
    """Somebody who pretends to be VTGate is refused on both ports."""
    with gate(SERVER) as url:
        assert all(words in text for text in connect(url, tls))


@pytest.mark.parametrize(
    "certificate",
    [
        CA.issue_cert("*.gates.example"),
        CA.issue_cert("10.1.2.3"),
        CA.issue_cert(common_name="a name with spaces"),
        CA.create_child_ca().issue_cert("behind.an.intermediate"),
    ],
    ids=["wildcard", "address", "subject", "chain"],
)
@pytest.mark.parametrize("tls", [{"mode": "required"}, {"mode": "verify_ca", "ca_certificate": CA_PEM}], ids=mode)
def test_names_do_not_matter_below_verify_identity(certificate: trustme.LeafCert, tls: Any) -> None:
    """Whatever name a certificate carries, gRPC looks for it."""
    with gate(certificate) as url:
        assert connect(url, tls) == ("", "")


def test_an_expired_certificate() -> None:
    """GRPC refuses it in every mode, and reports why."""
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    with gate(CA.issue_cert("gate.example", not_after=past)) as url:
        assert "has expired" in connect(url, {"mode": "required"})[0]
        assert all("has expired" in text for text in connect(url, VERIFY_IDENTITY))


@pytest.mark.parametrize("tls", [{"mode": "required"}, VERIFY_IDENTITY], ids=mode)
def test_a_server_that_does_not_encrypt_gets_nothing(tls: Any) -> None:
    """There is no way back to an unencrypted connection: the password is not sent."""
    with gate(None) as url:
        assert all("does not speak TLS" in text for text in connect(url, tls))


def test_client_certificates() -> None:
    """A server that asks for one gets it, with or without a password on its key."""
    with gate(SERVER, clients=CA) as url:
        assert connect(url, {**VERIFY_IDENTITY, **CLIENT_FIELDS}) == ("", "")
        locked = {"client_key": encrypted_key(CLIENT), "client_key_password": KEY_PASSWORD}
        assert connect(url, {"mode": "required", **CLIENT_FIELDS, **locked}) == ("", "")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"client_key": encrypted_key(CLIENT)}, "has a password. Fill in tls.client_key_password"),
        ({"client_key": encrypted_key(CLIENT), "client_key_password": "no"}, "client_key_password is wrong"),
        ({"client_key": OTHER.private_key_pem.bytes().decode()}, "not the one that belongs to it"),
        (
            {"client_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"},
            "tls.client_key is damaged",
        ),
    ],
)
def test_a_client_key_that_does_not_fit(fields: Any, words: str) -> None:
    """What is wrong with a key is reported before anything is sent."""
    with gate(SERVER) as url:
        assert all(words in text for text in connect(url, {"mode": "required", **CLIENT_FIELDS, **fields}))


def test_a_certificate_that_changes_is_noticed() -> None:
    """A VTGate that gets a new certificate is connected to with the next stream."""
    server = VStreamServer(answer)
    others = [CA.issue_cert("one.example"), CA.issue_cert("two.example")]
    server.tls = _credentials(others[0])
    server.start()
    config = Config.from_json({"url": f"vitess://127.0.0.1:{server.port}/main", "tls": {"mode": "required"}})
    try:
        with VStreamClient(config) as client:
            for certificate in (others[0], others[1], others[0]):
                server.stop()
                server.tls = _credentials(certificate)
                server.start()
                with client.stream(vtgate_pb2.VStreamRequest(), timeout=60) as stream:
                    assert list(stream) == [Response(b"")]
    finally:
        server.stop()


def _credentials(certificate: trustme.LeafCert) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), pem(certificate).encode())])


def test_basic_authentication() -> None:
    """A proxy that wants HTTP's authentication gets it, in UTF-8, and VTGate's headers are not sent."""
    with VStreamServer(answer) as server:
        config = Config.from_json(
            {
                "url": f"vitess://127.0.0.1:{server.port}/main",
                "username": "bob",
                "password": "pä:ss",
                "grpc_authentication": "HTTP basic",
            }
        )
        _use_grpc(config)
        metadata = server.calls[0].metadata

    assert metadata["authorization"] == "Basic Ym9iOnDDpDpzcw=="
    assert not {"username", "password"} & set(metadata)


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"dialog", b"caching_sha2_password", b"sha256_password"])
def test_a_password_is_never_given_in_clear(plugin: bytes) -> None:
    """A server without encryption that asks for the password itself gets an error, and never the password."""

    def serve(peer: Peer) -> None:
        peer.greet()
        peer.send(b"\xfe" + plugin + b"\0" + SALT + b"\0")
        peer.read()

    with mysql_server(serve) as (port, peers):
        config = Config.from_json(
            {"url": f"vitess://127.0.0.1/main?mysql_port={port}", "username": "bob", "password": "CANARY"}
        )
        with pytest.raises(ConfigError, match="only safe on an encrypted connection"):
            VtgateSession.connect(config, statement_timeout=5)

    assert len(peers[0].received) == 1
    assert b"CANARY" not in peers[0].received[0]
