"""Whole syncs with servers up to v19, as v19.0.9 was seen to answer.

- They send labels of ENUM and SET in a copy and numbers in the change stream.
- They announce the collation of their own connection, 255, for each text.
- VTGate answers `@@global.version` by itself.

The Vitess in memory is a v24; what it sends is rewritten here. Ordinals and bitmaps as go/mysql/binlog/rbr.go of v19
writes them, and FIELD events never say `enum_set_string_values`, which is of v20.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from instruments.scripted_vtgate.model.gateway import Gateway
from instruments.scripted_vtgate.model.values import Given
from instruments.scripted_vtgate.vitess import Vitess
from instruments.scripted_vtgate.vstream_server import Call
from instruments.scripted_vtgate.wire import row_of
from source_vitess.check import check
from source_vitess.errors import ConfigError, PositionLostError
from source_vitess.proto import binlogdata_pb2, query_pb2, vtgate_pb2
from source_vitess.replication import oversized_rows
from source_vitess.rows.decoder import unpack_lengths
from source_vitess.settings.config import Config
from source_vitess.types.column_type import parse_column_type
from unit_tests.syncing import Syncs, is_row

#: Labels that look like other labels' ordinals, and that a careless reader splits or strips.
SIZES = ("2", "1", "0", "it's", "a,b", " ", "é")
TAGS = tuple(f"t{number}" for number in range(1, 65))


def declared(kind: str, labels: tuple[str, ...]) -> str:
    """Writes a column's type."""
    quoted = ", ".join("'" + label.replace("'", "''") + "'" for label in labels)
    return f"{kind}({quoted})"


#: Text in other character sets than the connection's, the key among it.
WORDS = {
    "word": "varchar(20) character set latin1",
    "wide": "varchar(20) character set utf16",
    "plain": "varchar(20)",
    "bytes": "varbinary(20)",
}


class OldServer:
    """Rewrites what a v24 sends.

    Attributes:
        numbers: How many values of ENUM and SET were sent as numbers.
        labels: Likewise as labels.
    """

    def __init__(self, vitess: Vitess) -> None:
        self._vitess = vitess
        self._fields: dict[tuple[str, str], list[query_pb2.Field]] = {}
        self.numbers = 0
        self.labels = 0

    def answer(self, call: Call) -> Iterator[vtgate_pb2.VStreamResponse]:
        """Answers a call."""
        for response in Gateway(self._vitess, call).responses():
            for event in response.events:
                if event.type == binlogdata_pb2.VGTID:
                    for entry in event.vgtid.shard_gtids:
                        for copy in entry.table_p_ks:
                            copy.lastpk = _with_the_connections_collation(copy.lastpk)
                if event.type == binlogdata_pb2.FIELD:
                    event.field_event.enum_set_string_values = False
                    for field in event.field_event.fields:
                        _take_the_connections_collation(field)
                    self._fields[event.shard, event.field_event.table_name] = list(event.field_event.fields)
                elif event.type == binlogdata_pb2.ROW:
                    fields = self._fields[event.shard, event.row_event.table_name]
                    for change in event.row_event.row_changes:
                        for image in (change.before, change.after):
                            if image.lengths:
                                image.CopyFrom(self._row(image, fields, changed=event.timestamp != 0))
            yield response

    def _row(self, row: query_pb2.Row, fields: list[query_pb2.Field], *, changed: bool) -> query_pb2.Row:
        values: list[bytes | None] = []
        at = 0
        for field, length in zip(fields, unpack_lengths(row.lengths), strict=True):
            value = None if length < 0 else row.values[at : at + length]
            at += max(length, 0)
            column = parse_column_type(field.column_type)
            if value is not None and column.members:
                self.numbers, self.labels = self.numbers + changed, self.labels + (not changed)
                if changed:
                    value = _number(column.name, column.members, value.decode())
            values.append(value)
        return row_of(values)


def _with_the_connections_collation(lastpk: bytes) -> bytes:
    row = query_pb2.QueryResult.FromString(lastpk)
    for field in row.fields:
        _take_the_connections_collation(field)
    return row.SerializeToString()


def _take_the_connections_collation(field: query_pb2.Field) -> None:
    if field.charset not in (0, 63):
        field.charset = 255


def _number(kind: str, members: tuple[str, ...], text: str) -> bytes:
    if kind == "enum":
        return b"%d" % (members.index(text) + 1 if text else 0)
    return b"%d" % sum(1 << members.index(label) for label in text.split(",") if label)


def some_rows(rnd: random.Random, first: int, count: int) -> list[dict[str, Given]]:
    """Makes rows; the invalid label '' and the 64th tag are among them."""
    return [
        {
            "id": number,
            "size": rnd.choice([*SIZES, "", None]),
            "tags": ",".join(tag for tag in TAGS if rnd.random() < 0.3) if number % 3 else TAGS[-1],
        }
        for number in range(first, first + count)
    ]


@pytest.fixture
def old(vitess: Vitess) -> OldServer:
    """A server of v19 with a table of labels."""
    columns = {"id": "bigint", "size": declared("enum", SIZES), "tags": declared("set", TAGS)}
    vitess.create_table("labels", columns, key=["id"])
    vitess.create_table("words", WORDS, key=["word"])
    vitess.sql.variables["version_comment"] = "Version: 19.0.9 (Git revision  branch '') built on  by @ using go1.22.10"
    vitess.sql.variables["version"] = "8.0.30-Vitess"
    server = OldServer(vitess)
    vitess.vstream.answer = server.answer
    return server


def test_labels_in_a_copy_and_numbers_in_changes(vitess: Vitess, old: OldServer) -> None:
    """Each is read as what it is, also a label `2` that is the first, and the 64th member of a SET."""
    rnd = random.Random(5)  # noqa: S311 - test data
    vitess.insert("labels", *some_rows(rnd, 1, 30))
    syncs = Syncs(vitess, "labels")
    assert syncs.run() is None
    syncs.expect_equal()
    assert old.labels
    assert not old.numbers

    vitess.insert("labels", *some_rows(rnd, 101, 30))
    vitess.update("labels", lambda row: row["id"] in (1, 2, 103), {"size": "1", "tags": "t1,t64"})
    vitess.update("labels", lambda row: row["id"] == 3, {"id": 200})
    vitess.delete("labels", lambda row: row["id"] in (4, 104))
    labels = old.labels
    assert syncs.run() is None

    syncs.expect_equal()
    assert old.numbers
    assert old.labels == labels


def test_a_copy_that_is_resumed_has_both(vitess: Vitess, old: OldServer) -> None:
    """The changes before it goes on are numbers, its rows are labels again, each after a FIELD event of its own."""
    rnd = random.Random(6)  # noqa: S311 - test data
    vitess.insert("labels", *some_rows(rnd, 1, 40))
    syncs = Syncs(vitess, "labels", checkpoint_interval_seconds=1)
    for _ in range(3):
        vitess.faults.cut_after(is_row)
        vitess.update("labels", lambda row: row["id"] in (1, 2, 39), {"size": rnd.choice(SIZES), "tags": "t64"})
        syncs.run(stop_after=12)

    assert syncs.run() is None

    syncs.expect_equal()
    assert old.numbers
    assert old.labels


def some_words(rnd: random.Random, first: int, count: int) -> list[dict[str, Given]]:
    """Makes rows whose keys are alike, once what is not ASCII is not known: é, è and ü in latin1 are no UTF-8."""
    letters = [chr(code) for code in range(0xC0, 0x100)]
    return [
        {
            "word": rnd.choice(letters) + rnd.choice(letters) + f"{number}",
            "wide": rnd.choice(letters) * 3,
            "plain": rnd.choice(letters) + "日本",
            "bytes": bytes([rnd.randrange(256), number]),
        }
        for number in range(first, first + count)
    ]


def test_the_schema_has_the_character_sets(vitess: Vitess, old: OldServer) -> None:
    """Text in latin1 and UTF-16 is what was written, in the copy, in the changes, and as a key."""
    rnd = random.Random(7)  # noqa: S311 - test data
    vitess.insert("words", *some_words(rnd, 1, 40))
    syncs = Syncs(vitess, "words")
    assert syncs.run() is None
    syncs.expect_equal()

    vitess.insert("words", *some_words(rnd, 101, 40))
    vitess.update("words", lambda row: str(row["word"]).endswith("1"), {"wide": "ÿ"})
    vitess.delete("words", lambda row: str(row["word"]).endswith("2"))
    assert syncs.run() is None

    syncs.expect_equal()
    assert set(syncs.store.statuses.values()) == {"COMPLETE"}


def test_a_copy_goes_on_after_such_a_key(vitess: Vitess, old: OldServer) -> None:
    """The last key is compared as the column's character set is, not as the connection's."""
    rnd = random.Random(8)  # noqa: S311 - test data
    vitess.insert("words", *some_words(rnd, 1, 60))
    syncs = Syncs(vitess, "words", checkpoint_interval_seconds=1)
    for _ in range(3):
        vitess.faults.cut_after(is_row)
        syncs.run(stop_after=12)

    assert syncs.run() is None

    syncs.expect_equal()


def test_what_is_not_as_with_a_new_release_is_a_warning(vitess: Vitess, old: OldServer) -> None:
    """In the check, with MySQL's own version, and before the first row of a sync."""
    lines = check(Config.from_json({"url": vitess.url}))

    assert "VTGate 19.0.9 answers on both ports; MySQL 8.4.6." in [line.text for line in lines]
    warnings = [line.text for line in lines if line.warning]
    assert "Vitess 19.0.9 does not announce the character sets of columns" in warnings[0]
    assert "Vitess 19.0.9 cannot go on from before a reshard" in warnings[1]
    assert "Vitess 19.0.9 leaves out changes that a session makes with" in warnings[2]
    assert "Vitess 19.0.9 can leave out changes when MySQL of a tablet is restarted" in warnings[3]
    logged = [line for line in Syncs(vitess, "words").lines() if b'"WARN"' in line]
    assert any(b"does not announce the character sets" in line for line in logged)


def test_an_older_release_is_refused(vitess: Vitess, old: OldServer) -> None:
    """Before anything is read, by the check and by each sync; whoever allows it is warned."""
    refused = Syncs(vitess, "words")
    vitess.sql.variables["version_comment"] = "Version: 18.0.8 (Git revision  branch '') built on  by @ using go1.21.13"

    with pytest.raises(ConfigError, match=r"of Vitess 18\.0\.8, and 19 is the oldest .* allow_unsupported_vitess"):
        check(Config.from_json({"url": vitess.url}))
    error = refused.run()
    assert isinstance(error, ConfigError)
    assert "19 is the oldest release" in error.message
    assert not vitess.vstream.requests

    allowed = check(Config.from_json({"url": vitess.url, "allow_unsupported_vitess": True}))
    assert any(line.warning and "Vitess 18.0.8 is older than 19" in line.text for line in allowed)
    vitess.insert("words", *some_words(random.Random(12), 1, 5))  # noqa: S311 - test data
    syncs = Syncs(vitess, "words", allow_unsupported_vitess=True)
    assert syncs.run() is None
    syncs.expect_equal()


def test_a_set_of_64_members_is_warned_of(vitess: Vitess, old: OldServer) -> None:
    """From v20 to the mend changes have no 64th member, which nothing in them shows; v19 sends them all."""

    def warned() -> bool:
        return any(b"is a SET of 64 members" in line for line in Syncs(vitess, "labels").lines() if b'"WARN"' in line)

    assert not warned()
    vitess.sql.variables["version_comment"] = "Version: 22.0.4 (Git revision  branch '') built on  by @ using go1.24"
    assert warned()
    vitess.sql.variables["version_comment"] = "Version: 24.0.4 (Git revision  branch '') built on  by @ using go1.26"
    assert not warned()


def test_partial_updates_are_refused(vitess: Vitess, old: OldServer) -> None:
    """Up to v21 they would be lost without a word: the check and each sync say so before anything is read."""
    vitess.insert("words", *some_words(random.Random(9), 1, 5))  # noqa: S311 - test data
    vitess.sql.variables["binlog_row_value_options"] = "PARTIAL_JSON"

    with pytest.raises(ConfigError, match=r"PARTIAL_JSON, and Vitess 19\.0\.9 leaves the updates .* without a word"):
        check(Config.from_json({"url": vitess.url}))

    syncs = Syncs(vitess, "words")
    error = syncs.run()
    assert isinstance(error, ConfigError)
    assert "refresh all streams; or upgrade to Vitess 22" in error.message
    assert not vitess.vstream.requests


def test_a_reshard_is_refused_at_once(vitess: Vitess, old: OldServer) -> None:
    """VTGate would find no tablet of the old shard for minutes. What begins afterwards is read from the new ones."""
    rnd = random.Random(10)  # noqa: S311 - test data
    vitess.insert("words", *some_words(rnd, 1, 20))
    syncs = Syncs(vitess, "words")
    assert syncs.run() is None
    vitess.insert("words", *some_words(rnd, 21, 20))
    vitess.reshard(["80-"], ["80-c0", "c0-"])
    streams = len(vitess.vstream.requests)

    error = syncs.run()

    assert isinstance(error, PositionLostError)
    assert "Shard 80- of keyspace commerce was resharded" in error.message
    assert "Re-sync the data" in error.message
    asked = [entry for request in vitess.vstream.requests[streams:] for entry in request.vgtid.shard_gtids]
    assert {entry.gtid for entry in asked} == {"current"}
    again = Syncs(vitess, "words")
    assert again.run() is None
    again.expect_equal()


def test_a_row_above_the_message_limit_is_named(
    vitess: Vitess, old: OldServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to v21 the stream ends at once, without the table's name: asking with fewer tables finds it."""
    # A refused stream ends by itself: only what gets on takes time, and on a busy machine more than a second.
    monkeypatch.setattr(oversized_rows, "PROBE_SECONDS", 30.0)
    for name in ("c", "d"):
        vitess.create_table(name, {"id": "bigint", "name": "text"}, key=["id"])
    syncs = Syncs(vitess, "a", "b", "c", "d")
    assert syncs.run() is None
    vitess.insert("a", {"id": 1, "name": "small"})
    vitess.insert("c", {"id": 9, "name": "x" * 10_000}, shard="80-")
    vitess.insert("d", {"id": 1, "name": "small"})
    vitess.max_message_bytes, vitess.refuses_large_messages = 5000, True

    error = syncs.run()

    assert isinstance(error, ConfigError)
    for what in ("table 'c'", "shard '80-'", "after the position MySQL56/", "--grpc-max-message-size", "deselect"):
        assert what in error.message

    again = Syncs(vitess, "a", "b", "c", "d")
    error = again.run()
    assert isinstance(error, ConfigError)
    assert "1 of 4 streams did not sync: 'c'" in error.message
    assert "no more rows of table 'c' in shard '80-'" in again.store.errors[0]["message"]
    assert again.store.statuses == {"a": "COMPLETE", "b": "COMPLETE", "c": "INCOMPLETE", "d": "COMPLETE"}

    vitess.max_message_bytes = None
    assert syncs.run() is None
    syncs.expect_equal()


@pytest.mark.parametrize(
    ("statement", "ends"),
    [
        ("alter table words convert to character set utf8mb4", True),
        ("alter table words modify plain varchar(20) character set utf8mb4", True),
        ("alter table words modify plain varchar(30)", False),
        ("alter table words comment = 'x'", False),
    ],
)
def test_another_character_set_ends_the_stream(vitess: Vitess, old: OldServer, statement: str, *, ends: bool) -> None:
    """Nothing announces in which one the changes around it are written, so that text could be wrong in silence."""
    vitess.insert("words", *some_words(random.Random(11), 1, 10))  # noqa: S311 - test data
    syncs = Syncs(vitess, "words")
    assert syncs.run() is None
    vitess.ddl(statement, "words")

    error = syncs.run()

    if not ends:
        assert error is None
        return
    assert isinstance(error, ConfigError)
    assert syncs.store.statuses == {"words": "INCOMPLETE"}
    assert "The character set of table 'words' was changed in shard" in syncs.store.errors[0]["message"]
    assert "Refresh this stream" in syncs.store.errors[0]["message"]


def test_a_new_release_announces_the_character_sets_itself(vitess: Vitess) -> None:
    """There the same statement is no reason to copy anew."""
    vitess.create_table("words", WORDS, key=["word"])
    syncs = Syncs(vitess, "words")
    assert syncs.run() is None
    vitess.ddl("alter table words convert to character set utf8mb4", "words")

    assert syncs.run() is None
