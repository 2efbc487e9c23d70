"""A real VTGate that encrypts both of its ports and asks for passwords and certificates."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from vitess_local.cluster import Cluster
from vitess_local.servers.extra_gate import Gate

from instruments.connector import Connector
from instruments.oracle import Store
from source_vitess.errors import ConfigError
from source_vitess.mysql.session import VtgateSession
from source_vitess.settings.config import Config
from source_vitess.source import SourceVitess

LOGIN = {"username": "bob", "password": "s3cret"}


@dataclass(frozen=True)
class Authority:
    """A CA, and the files that a VTGate reads.

    Attributes:
        ca: The CA.
        tls: Flags that encrypt both ports.
        clients: Flags that ask clients for a certificate of this CA.
        passwords: Flags that let in `LOGIN` only.
    """

    ca: trustme.CA
    tls: tuple[str, ...]
    clients: tuple[str, ...]
    passwords: tuple[str, ...]

    @property
    def identity(self) -> dict[str, str]:
        """The strictest setting of `tls`."""
        return {"mode": "verify_identity", "ca_certificate": _pem(self.ca.cert_pem), "server_name": "gate.example"}

    def client(self) -> dict[str, str]:
        """A client certificate and its key."""
        made = self.ca.issue_cert("airbyte@example.org")
        return {"client_certificate": _pem(*made.cert_chain_pems), "client_key": _pem(made.private_key_pem)}


@pytest.fixture(scope="module")
def authority(cluster: Cluster) -> Iterator[Authority]:
    """A CA whose files are where VTGate's user can read them."""
    folder = cluster.data_dir / "security"
    folder.mkdir(mode=0o755, exist_ok=True)
    ca = trustme.CA()
    server = ca.issue_cert("gate.example")
    users = [{"Username": LOGIN["username"], "Password": LOGIN["password"]}]
    mysql_users = {LOGIN["username"]: [{"Password": LOGIN["password"], "UserData": LOGIN["username"]}]}
    files = {
        "ca.pem": _pem(ca.cert_pem),
        "server.pem": _pem(*server.cert_chain_pems),
        "server-key.pem": _pem(server.private_key_pem),
        "grpc-users.json": json.dumps(users),
        "mysql-users.json": json.dumps(mysql_users),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    yield Authority(
        ca,
        tls=(
            f"--grpc-cert={folder}/server.pem",
            f"--grpc-key={folder}/server-key.pem",
            f"--mysql-server-ssl-cert={folder}/server.pem",
            f"--mysql-server-ssl-key={folder}/server-key.pem",
        ),
        clients=(
            f"--grpc-ca={folder}/ca.pem",
            f"--mysql-server-ssl-ca={folder}/ca.pem",
            "--mysql-server-require-secure-transport",
        ),
        passwords=(
            "--grpc-auth-mode=static",
            f"--grpc-auth-static-password-file={folder}/grpc-users.json",
            "--mysql-auth-server-impl=static",
            f"--mysql-auth-server-static-file={folder}/mysql-users.json",
        ),
    )
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def encrypted(cluster: Cluster, authority: Authority) -> Iterator[Gate]:
    """A VTGate with TLS and passwords on both ports."""
    with cluster.extra_gate("encrypted", *authority.tls, *authority.passwords) as gate:
        yield gate


@pytest.fixture(scope="module")
def strict(cluster: Cluster, authority: Authority) -> Iterator[Gate]:
    """A VTGate with TLS that asks its clients for a certificate."""
    with cluster.extra_gate("strict", *authority.tls, *authority.clients) as gate:
        yield gate


@pytest.fixture
def table(cluster: Cluster, single: Connector) -> None:
    """A table with two rows."""
    cluster.sql("single", "create table t (id bigint primary key)")
    cluster.sql("single", "insert into t values (1), (2)")
    cluster.reload_schema("single")


def check(gate: Gate, **config: Any) -> str:
    """Returns what a check says, empty if all is well."""
    answer = SourceVitess().check(
        logging.getLogger("airbyte.tests"), {"url": gate.url("single"), "tablet_type": "PRIMARY", **config}
    )
    return answer.message or ""


def _pem(*blobs: trustme.Blob) -> str:
    return "".join(blob.bytes().decode() for blob in blobs)


@pytest.mark.usefixtures("table")
def test_modes(encrypted: Gate, authority: Authority) -> None:
    """Each mode takes VTGate's certificate where it should, and refuses it where it should."""
    other = _pem(trustme.CA().cert_pem)
    identity = authority.identity

    assert check(encrypted, tls={"mode": "required"}, **LOGIN) == ""
    assert check(encrypted, tls={"mode": "verify_ca", "ca_certificate": identity["ca_certificate"]}, **LOGIN) == ""
    assert check(encrypted, tls=identity, **LOGIN) == ""
    assert "not signed by the CA" in check(encrypted, tls={"mode": "verify_ca", "ca_certificate": other}, **LOGIN)
    assert "not for the host" in check(encrypted, tls={**identity, "server_name": "x.example"}, **LOGIN)


@pytest.mark.usefixtures("table")
def test_what_is_wrong_is_said(cluster: Cluster, encrypted: Gate, strict: Gate) -> None:
    """Encryption, password and client certificate that are missing are told apart."""
    required = {"mode": "required"}
    plain = Gate(cluster.server("vtgate"), cluster.grpc_port, cluster.mysql_port)

    assert "wants an encrypted connection" in check(encrypted, tls={"mode": "disabled"}, **LOGIN)
    assert "wants an encrypted connection" in check(strict)
    assert "refuses the user name or the password" in check(encrypted, tls=required, username="bob", password="wrong")
    assert "asks for a user name and a password" in check(encrypted, tls=required)
    assert "wants a client certificate" in check(strict, tls=required)
    assert "does not speak TLS" in check(plain, tls=required)
    with pytest.raises(ConfigError, match="MySQL port wants a client certificate"):
        VtgateSession.connect(Config.from_json({"url": strict.url("single"), "tls": required}))
    with pytest.raises(ConfigError, match="MySQL port does not speak TLS"):
        VtgateSession.connect(Config.from_json({"url": plain.url("single"), "tls": required}))


@pytest.mark.usefixtures("table")
def test_a_sync_with_certificates_on_both_sides(
    tmp_path: Path, cluster: Cluster, single: Connector, strict: Gate, authority: Authority
) -> None:
    """Copy and changes come through, with a key that has lost its line breaks."""
    client = {name: text.replace("\n", "\\n") for name, text in authority.client().items()}
    connector = single.with_config(url=strict.url("single"), tls={**authority.identity, **client})
    catalog = connector.configured("t")
    store = Store({"t": ["id"]})

    assert connector.sync(store, catalog) is None
    cluster.sql("single", "insert into t values (3)")
    cluster.sql("single", "delete from t where id = 1")
    assert connector.sync(store, catalog) is None

    connector.expect_all_equal(store)
    code, messages, _ = connector.run(tmp_path, "check")
    assert (code, messages[-1]["connectionStatus"]["status"]) == (0, "SUCCEEDED")


@pytest.mark.usefixtures("table")
def test_a_sync_with_a_password(cluster: Cluster, single: Connector, encrypted: Gate) -> None:
    """Both ports let the user in, over connections that are encrypted."""
    connector = single.with_config(url=encrypted.url("single"), tls={"mode": "required"}, **LOGIN)
    catalog = connector.configured("t")
    store = Store({"t": ["id"]})

    assert connector.sync(store, catalog) is None
    connector.expect_all_equal(store)


#: Names that would do harm in a statement, a filter, a format string or JSON that is put together carelessly.
NAMES = [
    "x; drop table t; --",
    "' or 1=1 #",
    '"quoted\\"',
    "%s %d %(x)s %b",
    "{x} {0}",
    "a.b",
    "select",
    "ünïcode ☃",
    "\\",
    "x /* y */",
]


def test_hostile_names_of_tables_and_columns(cluster: Cluster, single: Connector) -> None:
    """Whatever tables and columns are called, they are copied and followed, and nothing else happens."""
    columns = ", ".join(f"`{name}` varchar(20)" for name in NAMES)
    for name in NAMES:
        cluster.sql("single", f"create table `{name}` (`id` bigint primary key, {columns})")
        cluster.sql("single", f"insert into `{name}` (id) values (1), (2)")
    cluster.reload_schema("single")
    catalog = single.configured(*NAMES)
    store = Store({name: ["id"] for name in NAMES})

    assert single.sync(store, catalog) is None
    for name in NAMES:
        cluster.sql("single", f"update `{name}` set `{NAMES[0]}` = 'x', `{NAMES[3]}` = 'y' where id = 1")
        cluster.sql("single", f"delete from `{name}` where id = 2")
    assert single.sync(store, catalog) is None

    single.expect_all_equal(store)
