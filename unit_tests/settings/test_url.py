"""The connection URL: every part is read, every mistake is named, and no message gives a password away."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.errors import ConfigError
from source_vitess.settings.url import VitessUrl

#: Any text a user name or a password may be: no control characters, not empty.
TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029"), min_size=1, max_size=20
)
PORT = st.integers(1, 65535)
#: What is said of a user name or a password in the URL.
REFUSED = (
    "The field url holds an @: a user name and a password do not belong in the URL. Put the user name into the field "
    "username and the password into the field password, exactly as they are (what was written as %40, %3A or %2F in "
    "the URL is @, : or / there), and write the field url without them, like "
    "vitess://vtgate.example.com:15991/commerce?mysql_port=15306"
)


def message(text: str) -> str:
    """Returns the error message for a URL that is wrong."""
    with pytest.raises(ConfigError) as caught:
        VitessUrl.parse(text)
    return str(caught.value)


def test_everything_is_read() -> None:
    """Host, both ports and keyspace come from their places."""
    url = VitessUrl.parse("vitess://gate.example.com:15999/commerce?mysql_port=3306")

    assert url == VitessUrl("gate.example.com", "commerce", 15999, 3306)


def test_ports_have_defaults() -> None:
    """A host and a keyspace are enough."""
    assert VitessUrl("gate", "main", 15991, 15306) == VitessUrl.parse("vitess://gate/main")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("vitess://[::1]/main", "::1"),
        ("vitess://[2001:DB8:0::7]:1/main", "2001:db8::7"),
        ("vitess://[fe80::1%25eth0]/main", "fe80::1%eth0"),
        ("vitess://10.1.2.3/main", "10.1.2.3"),
        ("vitess://under_score.local./main", "under_score.local."),
        ("VITESS://gate/main", "gate"),
    ],
)
def test_hosts(text: str, host: str) -> None:
    """IPv6 addresses stand in brackets, and the value has none; the scheme's case does not matter."""
    assert host == VitessUrl.parse(text).host


def test_escapes_are_decoded_once() -> None:
    """The keyspace is percent-decoded, as UTF-8, and only once; a plus stays a plus."""
    assert VitessUrl.parse("vitess://gate/k%C3%A9y%2525+").keyspace == "kéy%25+"


@given(
    host=st.sampled_from(["gate", "a.b-c.example", "127.0.0.1", "::1", "fe80::1%eth0"]),
    grpc_port=PORT,
    mysql_port=PORT,
    keyspace=st.sampled_from(["main", "k s", "ké%y", "a+b", "a?b#c&d=e"]),
)
def test_what_is_encoded_is_read(host: str, grpc_port: int, mysql_port: int, keyspace: str) -> None:
    """A URL that was put together of quoted parts gives these parts."""
    address = f"[{host.replace('%', '%25')}]" if ":" in host else host
    text = f"vitess://{address}:{grpc_port}/{quote(keyspace, safe='')}?mysql_port={mysql_port}"

    assert VitessUrl(host, keyspace, grpc_port, mysql_port) == VitessUrl.parse(text)


@given(user=TEXT | st.just(""), password=st.none() | TEXT | st.just(""), is_encoded=st.booleans())
def test_user_information_is_refused(user: str, password: str | None, is_encoded: bool) -> None:
    """Whatever stands before an @, encoded or not, the message says where it belongs, and shows none of it."""
    parts = [part for part in (user, password) if part is not None]
    text = ":".join(quote(part, safe="") if is_encoded else part for part in parts)

    found = message(f"vitess://{text}@gate.example.com:15991/main?mysql_port=15306")

    assert found == REFUSED


def test_the_fields_beside_the_url_are_named_in_full() -> None:
    """Where the URL is in an object, its neighbours are: the destination has other fields of these names."""
    with pytest.raises(ConfigError) as caught:
        VitessUrl.parse("vitess://bob@gate/main", field="vitess.url")

    assert str(caught.value).startswith("The field vitess.url holds an @")
    assert "into the field vitess.username and the password into the field vitess.password" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "begin with vitess://"),
        ("mysql://gate/main", "begin with vitess://"),
        ("gate:15991/main", "begin with vitess://"),
        ("vitess:///main", "host is missing"),
        ("vitess://:15991/main", "host is missing"),
        ("vitess://@gate/main", "holds an @"),
        ("vitess://:s3cret@gate/main", "holds an @"),
        ("vitess://gate", "keyspace is missing"),
        ("vitess://gate/", "keyspace is missing"),
        ("vitess://gate?mysql_port=1", "keyspace is missing"),
        ("vitess://gate/main/", "the keyspace holds '/'"),
        ("vitess://gate/main:-80", "shards and tablet type in the fields"),
        ("vitess://gate/main:-80@replica", "in the fields shards and tablet_type"),
        ("vitess://gate:15991/main@PRIMARY?mysql_port=1", "in the fields shards and tablet_type"),
        ("vitess://gate/main@elsewhere", "holds an @"),
        ("vitess://gate/main#part", "a # stands after the host"),
        ("vitess://gate/main%40replica", "shards and tablet type in the fields"),
        ("vitess://gate:/main", "gRPC port after the host is not a number"),
        ("vitess://gate:0/main", "gRPC port after the host is 0"),
        ("vitess://gate:65536/main", "gRPC port after the host is 65536"),
        ("vitess://gate:+1/main", "gRPC port after the host is not a number"),
        ("vitess://gate:١٢/main", "gRPC port after the host is not a number"),
        ("vitess://gate/main?mysql_port=", "parameter mysql_port is not a number"),
        ("vitess://gate/main?mysql_port=99999", "parameter mysql_port is 99999"),
        ("vitess://gate/main?mysql_port=1&mysql_port=1", "the parameter mysql_port twice"),
        ("vitess://gate/main?tls=true", "a parameter 'tls'"),
        ("vitess://gate/main?mysql_port=1&", "a parameter ''"),
        ("vitess://::1:15991/main", "IPv6 address in brackets"),
        ("vitess://[::1/main", "IPv6 address in brackets"),
        ("vitess://[gate]/main", "not an IPv6 address"),
        ("vitess://gäte/main", "neither a host name in ASCII nor an IP address"),
        ("vitess://-gate/main", "neither a host name in ASCII nor an IP address"),
        ("vitess://gate/main\n", "a line break"),
        ("vitess://gate/ma\x00in", "control character"),
        ("vitess://gate /main", "a space"),
        ("vitess://gate/ma%0ain", "the keyspace holds a line break"),
        ("vitess://gate/ma%zzin", "the keyspace has a % that"),
        ("vitess://gate/%ff", "the keyspace is not UTF-8"),
    ],
)
def test_a_mistake_is_named(text: str, words: str) -> None:
    """Whatever is wrong with a URL, the message names the part, and shows a right one."""
    assert words in message(text)
    assert "vitess://vtgate.example.com:15991/commerce" in message(text)


@pytest.mark.parametrize(
    "text",
    [
        "mysql://bob:CANARY@gate/main",
        "vitess://bob:CANARY@gate",
        "vitess://bob:CANARY@gate:x/main",
        "vitess://bob:CANARY",
        "vitess://bob:CANARY/main",
        "vitess://CANARY!/main",
        "vitess://bob:x#CANARY@gate/main",
        "vitess://bob:1/CANARY@gate/main",
        "vitess://bob:1/x?CANARY@gate/main",
        "vitess://bob:x@CANARY@gate:y/main",
        "vitess://bob:%CANARY@gate/main",
        "vitess://bob:%ffCANARY@gate/main",
        "vitess://bob:CANARY\n@gate/main",
        "vitess://bob:CANARY%0a@gate/main",
        "vitess://bob:[CANARY]@gate:1:2/main",
    ],
)
def test_no_message_holds_a_piece_of_a_password(text: str) -> None:
    """A password that was not encoded ends up in other parts of the URL: those are not shown either."""
    assert "CANARY" not in message(text)
