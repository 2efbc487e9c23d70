"""Whatever is put into a parser or a decoder, it answers or refuses with an error of its own, and soon.

`SOURCE_VITESS_FUZZ=<examples>` tries so many for each; docs/security.md says what was found by how many.
"""

from __future__ import annotations

import json
import os
from typing import Any, cast

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from source_vitess.airbyte.state import parse_state, sync_state
from source_vitess.config import Config
from source_vitess.errors import ConfigError, VitessSourceError
from source_vitess.naming import quote_identifier
from source_vitess.position.gtid import GtidError, GtidSet
from source_vitess.proto import binlogdata_pb2, query_pb2, raw_pb2
from source_vitess.schema import Column, Table
from source_vitess.types.codec import Codec, TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import codec_for, json_schema_for
from source_vitess.url import VitessUrl
from source_vitess.vstream.events import Rows
from source_vitess.vstream.reader import EventReader, StreamedTable

fuzzed = settings(
    max_examples=int(os.environ.get("SOURCE_VITESS_FUZZ", "200")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)

URL_PIECES = ["vitess://", "://", "@", ":", "/", "//", "?", "#", "&", "=", "%", "%40", "%0a", "%ff", "[", "]", "::1",
              "gate", "main", "mysql_port", "mysql_port=1", "0", "99999", "-80", "\n", "\0", " ", "ä", "‮", "\\", "..",
              "localhost", "replica", "|", "`", "%2525"]  # fmt: skip


@fuzzed
@given(st.text(max_size=60) | st.lists(st.sampled_from(URL_PIECES), max_size=14).map("".join))
@example("vitess://" + "@" * 5_000 + "/")
@example("vitess://gate/" + "%25" * 5_000)
def test_url(text: str) -> None:
    """A URL is read, and then its own text is read as the same, or refused."""
    try:
        url = VitessUrl.parse(text)
    except ConfigError:
        return
    assert VitessUrl.parse(url.format()) == url
    for part in (url.host, url.keyspace, url.username or "", url.password or ""):
        assert not set(part) & set("\n\r\0")


FIELD = JSON | st.sampled_from(["vitess://gate/main", "vitess://bob:CANARY@gate/main", "REPLICA", ["-80"]])
FIELDS = st.dictionaries(
    st.sampled_from(["mode", "tunnel_method", "ca_certificate", "tunnel_host", "tunnel_host_key", "tunnel_user",
                     "tunnel_port", "server_name"]),
    JSON | st.sampled_from(["required", "verify_ca", "SSH_KEY_AUTH", "SSH_PASSWORD_AUTH", "bastion", 22]),
)  # fmt: skip
SECRET = st.sampled_from(["CANARY", "CANARY\n", ["CANARY"], {"CANARY": "CANARY"}, "-----BEGIN CANARY-----"])


@fuzzed
@given(
    st.dictionaries(
        st.sampled_from(["url", "username", "tls", "tunnel_method", "cells", "shards", "tablet_type", "x"]),
        FIELD | FIELDS,
    ),
    st.dictionaries(st.sampled_from(["password"]), SECRET),
    st.dictionaries(
        st.sampled_from(["client_key", "client_key_password", "ssh_key", "ssh_key_passphrase", "tunnel_user_password"]),
        SECRET,
    ),
)
def test_config(config: dict[str, Any], outer: dict[str, Any], inner: dict[str, Any]) -> None:
    """A configuration is read or refused, and what is secret is in no message."""
    for name in ("tls", "tunnel_method"):
        if isinstance(config.get(name), dict):
            config[name] = {**config[name], **inner}
    try:
        read = Config.from_json({**config, **outer})
    except ConfigError as error:
        said = error.message
    else:
        said = repr(read) + "".join(read.warnings)
        assert all(read.secrets)
    wrong_place = [value for name, value in config.items() if name != "url" and "CANARY@" in repr(value)]
    assert wrong_place or "CANARY" not in said


SERVER = "64ee4e46-e6c5-11f1-8c82-02fc00000001"
GTID_PIECES = ["MySQL56/", SERVER, SERVER.upper(), ":", "-", ",", "1", "0", "5-7", "9223372036854775807",
               "9223372036854775808", " ", "\n", "tag", "FilePos/", "x"]  # fmt: skip


@fuzzed
@given(st.text(max_size=60) | st.lists(st.sampled_from(GTID_PIECES), max_size=14).map("".join))
def test_gtid_set(text: str) -> None:
    """A GTID set is read, and then its canonical text is read as the same, or refused."""
    try:
        found = GtidSet.parse(text)
    except GtidError:
        return
    assert GtidSet.parse(str(found)) == found
    assert found <= found


SHARD = st.fixed_dictionaries(
    {},
    optional={
        "keyspace": st.sampled_from(["main", "other"]) | JSON,
        "shard": st.sampled_from(["-80", "80-", "0"]) | JSON,
        "gtid": st.sampled_from(["MySQL56/64ee4e46-e6c5-11f1-8c82-02fc00000001:1-5", "current", ""]) | JSON,
        "table_p_ks": st.just("AAAA") | JSON,
    },
)
TABLE = JSON | st.dictionaries(
    st.sampled_from(["copied", "copied_at", "copying", "attempt", "shards", "refresh_needed"]),
    JSON
    | st.lists(SHARD, max_size=3)
    | st.dictionaries(st.sampled_from(["attempt", "shards"]), st.lists(SHARD) | JSON),
)
SHARED = JSON | st.fixed_dictionaries(
    {}, optional={"version": st.just(1) | JSON, "vgtid": st.lists(SHARD, max_size=3) | JSON, "cursor": JSON}
)
STATE = st.fixed_dictionaries(
    {"shared_state": SHARED, "stream_states": st.just([]) | JSON},
)


@fuzzed
@given(
    st.text(max_size=60)
    | JSON.map(json.dumps)
    | STATE.map(lambda state: json.dumps([{"type": "GLOBAL", "global": state}]))
)
@example("[" * 100_000)
@example("{" * 100_000)
@example('[{"type":"GLOBAL","global":{"shared_state":' + '{"a":' * 5_000 + "1" + "}" * 5_003 + "]")
def test_state_file(text: str) -> None:
    """A state file is read as messages, or refused."""
    try:
        messages = parse_state(text)
    except ConfigError:
        return
    for message in messages:
        assert message["type"] == "GLOBAL"
        # What the CDK makes of it may fail: `SourceVitess.read_state` takes any of its errors.
        json.dumps(message)


@fuzzed
@given(SHARED, st.dictionaries(st.sampled_from(["t", "u"]), TABLE, max_size=2))
def test_state(shared: Any, tables: dict[str, Any]) -> None:
    """A state is read, and then its own JSON is read as the same, or refused."""
    streams: list[tuple[str, str | None, Any]] = [(name, "main", state) for name, state in tables.items()]
    try:
        state = sync_state("main", shared, streams)
    except ConfigError:
        return
    again: list[tuple[str, str | None, Any]] = [(name, "main", found) for name, found in state.tables_to_json().items()]
    assert sync_state("main", state.shared_to_json(), again) == state or state.vgtid is None


@fuzzed
@given(st.text(min_size=1, max_size=20).filter(lambda name: "\0" not in name))
@example("`; drop table x; --")
@example("``")
@example("a`b\n\\'\"")
def test_identifiers(name: str) -> None:
    """A quoted name is one token, whatever it holds: every backtick in it is doubled."""
    quoted = quote_identifier(name)

    assert quoted[0] == quoted[-1] == "`"
    assert "`" not in quoted[1:-1].replace("``", "")
    assert quoted[1:-1].replace("``", "`") == name


COLUMNS = {
    "id": "bigint", "u": "bigint unsigned", "d": "decimal(10,2)", "f": "double", "b": "bit(5)", "s": "varchar(20)",
    "x": "varbinary(20)", "j": "json", "e": "enum('a','b')", "m": "set('a','b')", "t": "time(3)", "y": "year",
    "dt": "datetime(6)", "ts": "timestamp", "da": "date", "g": "geometry",
}  # fmt: skip


def streamed() -> StreamedTable:
    """Returns a table with a column of every family."""
    columns = [
        Column(name, text, "utf8mb4" if name in "sem" else None, nullable=True) for name, text in COLUMNS.items()
    ]
    schemas = {
        column.name: json_schema_for(parse_column_type(column.column_type), column.charset, TypeOptions())
        for column in columns
    }
    return StreamedTable(Table("t", tuple(columns), ("id",)), schemas)


TABLE_T = streamed()


def codec(field: query_pb2.Field, labels: bool, charset: str | None) -> Codec:
    """Returns a column's codec as the real keyspace does."""
    return codec_for(
        parse_column_type(field.column_type),
        collation_id=field.charset,
        options=TypeOptions(),
        enum_set_as_text=labels,
        charset=charset,
    )


def packed(numbers: list[int]) -> bytes:
    """Returns lengths as protobuf packs them: zigzag varints."""
    found = bytearray()
    for number in numbers:
        raw = (number << 1) ^ (number >> 63)
        while raw > 0x7F:
            found.append(raw & 0x7F | 0x80)
            raw >>= 7
        found.append(raw)
    return bytes(found)


LENGTHS = st.binary(max_size=20) | (
    st.lists(st.integers(-3, 12) | st.integers(-(2**63), 2**63 - 1), max_size=18)
    | st.lists(st.integers(-1, 6), min_size=len(COLUMNS), max_size=len(COLUMNS))
).map(packed)


@st.composite
def rows(draw: st.DrawFn) -> query_pb2.Row:
    """Draws a row whose values are as long as its lengths say, or not."""
    if draw(st.booleans()):
        return query_pb2.Row(lengths=draw(LENGTHS), values=draw(st.binary(max_size=80)))
    values = draw(st.lists(st.none() | st.binary(max_size=9), min_size=len(COLUMNS), max_size=len(COLUMNS)))
    sizes = [-1 if value is None else len(value) for value in values]
    return query_pb2.Row(lengths=packed(sizes), values=b"".join(filter(None, values)))


ROW = st.none() | rows()
FIELD_TEXT = st.sampled_from(
    [*COLUMNS.values(), "", "enum(", "decimal(99999999999,1)", "bit(", "enum('a'", "x" * 200]
) | st.text(max_size=12)


@st.composite
def events(draw: st.DrawFn) -> binlogdata_pb2.VEvent:
    """Draws an event with whatever in it."""
    event = binlogdata_pb2.VEvent(
        type=cast("Any", draw(st.sampled_from([2, 3, 5, 12, 13, 14, 15, 18, 20]) | st.integers(0, 30))),
        timestamp=draw(st.sampled_from([0, 1]) | st.integers(-(2**63), 2**63 - 1)),
        shard=draw(st.sampled_from(["-80", "80-", ""])),
        keyspace="main",
        statement=draw(st.text(max_size=10)),
    )
    if draw(st.booleans()):
        for name, text in COLUMNS.items() if draw(st.booleans()) else [(draw(st.text(max_size=3)), "bigint")]:
            told = text if draw(st.integers(0, 20)) else draw(FIELD_TEXT)
            event.field_event.fields.add(name=name, column_type=told, charset=draw(st.sampled_from([0, 63, 255, 9999])))
        event.field_event.table_name = draw(st.sampled_from(["t", "main.t", "u", ""]))
        event.field_event.shard = event.shard
    if draw(st.booleans()):
        event.row_event.table_name = draw(st.sampled_from(["t", "main.t", "u", ""]))
        event.row_event.shard = event.shard
        for _ in range(draw(st.integers(0, 3))):
            before, after = draw(ROW), draw(ROW)
            change = event.row_event.row_changes.add()
            if before is not None:
                change.before.CopyFrom(before)
            if after is not None:
                change.after.CopyFrom(after)
            if not draw(st.integers(0, 5)):
                change.data_columns.count = draw(st.integers(-(2**63), 2**63 - 1))
                change.data_columns.cols = draw(st.binary(max_size=4))
    if draw(st.booleans()):
        event.vgtid.shard_gtids.add(keyspace="main", shard=event.shard, gtid=draw(st.text(max_size=10)))
    return event


def as_received(found: list[binlogdata_pb2.VEvent]) -> raw_pb2.VStreamResponse:
    """Returns a response as the client yields it."""
    return raw_pb2.VStreamResponse(events=[event.SerializeToString() for event in found])


@fuzzed
@given(st.lists(st.lists(events(), max_size=5), max_size=3))
def test_stream(responses: list[list[binlogdata_pb2.VEvent]]) -> None:
    """Events are read, and rows are JSON; or the stream is refused with an error of ours."""
    reader = EventReader({"t": TABLE_T}, codec)
    try:
        for event in reader.read(as_received(found) for found in responses):
            if isinstance(event, Rows):
                for members in event.members:
                    json.loads(b"{" + members.rstrip(b",") + b"}")
    except VitessSourceError:
        pass
