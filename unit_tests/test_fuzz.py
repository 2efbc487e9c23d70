"""Whatever is put into a parser or a decoder, it answers or refuses with an error of its own, and soon.

`SOURCE_VITESS_FUZZ=<examples>` tries so many for each; docs/security.md lists what was found by how many.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any, cast
from urllib.parse import quote

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from source_vitess.airbyte.state import parse_state, state_from_messages, sync_state
from source_vitess.errors import ConfigError, ConnectorError, GtidError
from source_vitess.naming import quote_identifier
from source_vitess.position.gtid import GtidSet
from source_vitess.proto import binlogdata_pb2, query_pb2, raw_pb2
from source_vitess.replication.state import VERSION, SyncState
from source_vitess.rows.columns import Rows
from source_vitess.schema import Column, StreamedTable, Table
from source_vitess.settings.config import Config
from source_vitess.settings.url import VitessUrl
from source_vitess.types.codec import Codec, TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import codec_for, json_schema_for
from source_vitess.vstream.reader import EventReader
from source_vitess.vstream.response import Response
from unit_tests.examples import at_least, reached

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


def mostly(good: st.SearchStrategy[Any], bad: st.SearchStrategy[Any] = JSON) -> st.SearchStrategy[Any]:
    """Draws what is right nine times of ten: a state with a fault here and a fault there is refused at the first."""
    return st.integers(0, 9).flatmap(lambda number: good if number else bad)


URL_PIECES = ["vitess://", "://", "@", ":", "/", "//", "?", "#", "&", "=", "%", "%40", "%0a", "%ff", "[", "]", "::1",
              "gate", "main", "mysql_port", "mysql_port=1", "0", "99999", "-80", "\n", "\0", " ", "ä", "‮", "\\", "..",
              "localhost", "replica", "|", "`", "%2525"]  # fmt: skip


NAME = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5).map(quote)
URLS = st.builds(
    "vitess://{}{}{}/{}{}".format,
    mostly(st.just("") | NAME.map("{}@".format), st.sampled_from(["b%40b:%2F@", ":x@", "@"])),
    mostly(
        st.from_regex(r"[a-z][a-z0-9]{0,5}(\.[a-z]{1,3})?|\[::[0-9a-f]{1,4}\]", fullmatch=True), st.text(max_size=5)
    ),
    mostly(st.just("") | st.integers(1, 65535).map(":{}".format), st.sampled_from([":0", ":99999", ":x"])),
    mostly(NAME, st.text(max_size=5)),
    mostly(
        st.just("") | st.integers(1, 65535).map("?mysql_port={}".format),
        st.sampled_from(["?mysql_port=x", "?x=y", "#z"]),
    ),
)


@at_least(0.02)
@fuzzed
@given(URLS | st.text(max_size=60) | st.lists(st.sampled_from(URL_PIECES), max_size=14).map("".join))
@example("vitess://" + "@" * 5_000 + "/")
@example("vitess://gate/" + "%25" * 5_000)
def test_url(text: str) -> None:
    """A URL is read, and then none of its parts can break a line, or refused."""
    try:
        url = VitessUrl.parse(text)
    except ConfigError:
        return
    reached()
    assert "@" not in text
    for part in (url.host, url.keyspace):
        assert not set(part) & set("\n\r\0")


FIELD = JSON | st.sampled_from(["vitess://gate/main", "vitess://bob:CANARY@gate/main", "REPLICA", ["-80"]])
FIELDS = st.dictionaries(
    st.sampled_from(["mode", "tunnel_method", "ca_certificate", "tunnel_host", "tunnel_host_key", "tunnel_user",
                     "tunnel_port", "server_name"]),
    JSON | st.sampled_from(["required", "verify_ca", "SSH_KEY_AUTH", "SSH_PASSWORD_AUTH", "bastion", 22]),
)  # fmt: skip
SECRET = st.sampled_from(["CANARY", "CANARY\n", ["CANARY"], {"CANARY": "CANARY"}, "-----BEGIN CANARY-----"])


CONFIG = st.fixed_dictionaries(
    {"url": mostly(st.integers(1, 65535).map("vitess://gate:{}/main?mysql_port=2".format), URLS)},
    optional={
        "username": mostly(st.text(max_size=5), JSON),
        "tls": mostly(st.sampled_from([{"mode": "required"}, {"mode": "disabled"}]), FIELDS),
        "tunnel_method": mostly(st.just({"tunnel_method": "NO_TUNNEL"}), FIELDS),
        "tablet_type": mostly(st.sampled_from(["REPLICA", "PRIMARY"]), JSON),
        "x": JSON,
    },
)


@at_least(0.03)
@fuzzed
@given(
    CONFIG
    | st.dictionaries(
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
        shown = error.message
    else:
        reached()
        shown = repr(read) + "".join(read.warnings)
        assert all(read.secrets)
    wrong_place = [value for name, value in config.items() if name != "url" and "CANARY@" in repr(value)]
    assert wrong_place or "CANARY" not in shown


SERVER = "64ee4e46-e6c5-11f1-8c82-02fc00000001"
GTID_PIECES = ["MySQL56/", SERVER, SERVER.upper(), ":", "-", ",", "1", "0", "5-7", "9223372036854775807",
               "9223372036854775808", " ", "\n", "tag", "FilePos/", "x"]  # fmt: skip


INTERVALS = st.lists(
    mostly(
        st.builds(lambda start, more: f"{start}-{start + more}", st.integers(1, 12), st.integers(0, 12)),
        st.builds("{}-{}".format, st.integers(0, 12), st.integers(0, 12)) | st.integers(0, 2**63).map(str),
    ),
    min_size=1,
    max_size=4,
).map(":".join)
GTID_SETS = st.lists(
    st.builds("{}:{}".format, st.sampled_from([SERVER, SERVER.upper(), SERVER.replace("6", "7")]), INTERVALS),
    max_size=3,
).map(",".join)


@at_least(0.1)
@fuzzed
@given(
    GTID_SETS
    | GTID_SETS.map("MySQL56/{}".format)
    | st.text(max_size=60)
    | st.lists(st.sampled_from(GTID_PIECES), max_size=14).map("".join)
)
def test_gtid_set(text: str) -> None:
    """A GTID set is read, and then its canonical text is read as the same, or refused."""
    try:
        found = GtidSet.parse(text)
    except GtidError:
        return
    reached()
    assert GtidSet.parse(str(found)) == found
    assert found <= found


GTID = "MySQL56/64ee4e46-e6c5-11f1-8c82-02fc00000001:1-5"


SHARD = mostly(
    st.fixed_dictionaries(
        {
            "keyspace": mostly(st.just("main"), st.just("other") | JSON),
            "shard": mostly(st.sampled_from(["-80", "80-"]), st.just("0") | JSON),
            "gtid": mostly(st.just(GTID), st.sampled_from(["current", "", "MySQL56/x"]) | JSON),
        },
        optional={"table_p_ks": st.just("AAAA") | JSON},
    )
)
COPIES = mostly(
    st.fixed_dictionaries(
        {
            "attempt": mostly(st.integers(1, 9)),
            "shards": mostly(
                st.lists(
                    st.builds(
                        lambda shard, more: {**shard, **more} if isinstance(shard, dict) else shard,
                        SHARD,
                        st.sampled_from([{}, {}, {"lastpk": "AAAA"}, {"lastpk": None}, {"lastpk": "?"}]),
                    ),
                    max_size=3,
                )
            ),
        }
    )
)
SYNC_ID = mostly(st.none() | st.integers(0, 9))
TABLE = mostly(
    st.one_of(
        st.just({"copied": True}),
        st.fixed_dictionaries({"copied_at": mostly(st.lists(SHARD, max_size=3))}),
        st.fixed_dictionaries({"copying": COPIES}),
        st.fixed_dictionaries({"refresh_needed": mostly(st.text(max_size=5))}),
        st.fixed_dictionaries({"refreshed": mostly(st.fixed_dictionaries({"sync_id": SYNC_ID}))}),
        st.builds(
            lambda copy, number: {"refreshing": {**copy, "sync_id": number} if isinstance(copy, dict) else copy},
            COPIES,
            SYNC_ID,
        ),
    ),
    JSON | st.dictionaries(st.sampled_from(["copied", "copied_at", "copying", "refresh_needed"]), JSON),
)
SHARED = mostly(
    st.fixed_dictionaries(
        {
            "version": mostly(st.just(VERSION), st.just(1) | JSON),
            "vgtid": mostly(st.lists(SHARD, max_size=3, min_size=1), st.none() | JSON),
            "cursor": mostly(st.integers(0, 2**63 - 1), st.integers() | JSON),
            "caught_up_at": mostly(st.none() | st.just("2026-01-02T03:04:05Z"), st.text(max_size=20) | JSON),
        },
        optional={
            "emitted_beyond": mostly(
                st.lists(st.just({"table": "t", "shard": "-80", "gtid": GTID}), max_size=1),
                JSON,
            ),
            "dropped_columns": mostly(
                st.lists(
                    st.just(
                        {
                            "shard": "-80",
                            "table": "t",
                            "columns": ["a", "b"],
                            "at": {"a": GTID},
                        }
                    )
                    | st.just({"shard": "-80", "table": "t", "columns": ["a", "b"]}),
                    max_size=1,
                ),
                JSON,
            ),
        },
    )
)
STATE = st.fixed_dictionaries(
    {"shared_state": SHARED, "stream_states": st.just([]) | JSON},
)


@at_least(0.2)
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
    if messages:
        reached()
    for message in messages:
        assert message["type"] == "GLOBAL"
        json.dumps(message)
    with suppress(ConfigError):
        state_from_messages("main", messages)


@at_least(0.08)
@fuzzed
@given(SHARED, st.dictionaries(st.sampled_from(["t", "u"]), TABLE, max_size=2))
def test_state(shared: Any, tables: dict[str, Any]) -> None:
    """A state is read, and then its own JSON is read as the same, or refused."""
    streams: list[tuple[str, str | None, Any]] = [(name, "main", state) for name, state in tables.items()]
    try:
        state = sync_state("main", shared, streams)
    except ConfigError:
        return
    if not shared:
        assert state == SyncState("main")
        return
    reached()
    again: list[tuple[str, str | None, Any]] = [(name, "main", found) for name, found in state.tables_to_json().items()]
    assert sync_state("main", json.loads(json.dumps(state.shared_to_json())), again) == state


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
    """Draws a row whose values are as long as its lengths are, or not."""
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
            announced = text if draw(st.integers(0, 20)) else draw(FIELD_TEXT)
            event.field_event.fields.add(
                name=name, column_type=announced, charset=draw(st.sampled_from([0, 63, 255, 9999]))
            )
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


def as_received(found: list[binlogdata_pb2.VEvent]) -> Response:
    """Returns a response as the client yields it."""
    return Response(raw_pb2.VStreamResponse(events=[event.SerializeToString() for event in found]).SerializeToString())


@st.composite
def whole_rows(draw: st.DrawFn) -> binlogdata_pb2.VEvent:
    """Draws an event of rows as the table has them; their values are of any bytes."""
    event = binlogdata_pb2.VEvent(type=binlogdata_pb2.ROW, timestamp=1, shard="-80", keyspace="main")
    event.row_event.table_name, event.row_event.shard = "t", "-80"
    for _ in range(draw(st.integers(1, 2))):
        values = draw(st.lists(st.none() | st.binary(max_size=9), min_size=len(COLUMNS), max_size=len(COLUMNS)))
        sizes = [-1 if value is None else len(value) for value in values]
        row = query_pb2.Row(lengths=packed(sizes), values=b"".join(filter(None, values)))
        event.row_event.row_changes.add(after=row)
    return event


FIELDS_OF_T = binlogdata_pb2.VEvent(type=binlogdata_pb2.FIELD, timestamp=1, shard="-80", keyspace="main")
FIELDS_OF_T.field_event.table_name, FIELDS_OF_T.field_event.shard = "t", "-80"
for _name, _text in COLUMNS.items():
    FIELDS_OF_T.field_event.fields.add(name=_name, column_type=_text, charset=255)


EVENTS = events() | whole_rows() | st.just(FIELDS_OF_T)
RESPONSES = st.lists(st.lists(EVENTS, max_size=5), max_size=3)


@at_least(0.1)
@fuzzed
@given(RESPONSES | RESPONSES.map(lambda responses: [[FIELDS_OF_T], *responses]))
def test_stream(responses: list[list[binlogdata_pb2.VEvent]]) -> None:
    """Events are read, and rows are JSON; or the stream is refused with an error of ours."""
    reader = EventReader({"t": TABLE_T}, codec)
    rows_read = 0
    try:
        for event in reader.read(as_received(found) for found in responses):
            if isinstance(event, Rows):
                for members in event.members:
                    json.loads(b"{" + members.rstrip(b",") + b"}")
                    rows_read += 1
    except ConnectorError:
        pass
    if rows_read:
        reached()
