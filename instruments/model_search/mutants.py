"""Rules of the connector, and how each is taken back: the search has to find what it is for (`taken_back`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A rule that is taken back.

    Attributes:
        name: Its name.
        promise: What the rule is for.
        edits: Per edit the file below the package, the text, and what replaces it.
        without: Steps and tables that are left out, so that others are met more often.
    """

    name: str
    promise: str
    edits: tuple[tuple[str, str, str], ...]
    without: tuple[str, ...] = ()


#: What has to be left out, for a rule to be met often enough: other tables, and steps that have to do with other rules.
_SPECIAL = ("p", "s", "e", "q", "n", "f", "m")
_SCHEMA = ("alter", "schema", "discover")
_FAILURES = ("kill", "cut", "restart", "emergency", "planned", "down", "complete", "purge")
#: Where only doubled rows of a table without a key show that a rule is gone.
_NOTHING_TWICE = ("u", "p", "s", "e", "q", "f", "m", "reshard", "alter", *_FAILURES)

_CHANGES, _SYNC = "replication/change_stream.py", "replication/sync.py"
_EXCLUSIONS, _COPIES = "replication/exclusions.py", "replication/copies.py"
_LINEAGE, _CHANGES_RUN = "replication/lineage_check.py", "replication/changes.py"
_LOST = "replication/lost_position.py"
_COPY, _PROGRESS = "replication/copy_stream.py", "replication/copy_progress.py"

#: Where a copy is not continued, because its key is not the one that its lastpk was made with.
_SAME_KEY = (
    (_COPY, "        if any(kinds.get(column.name) != column for column in key):\n", "        if False:\n"),
    (
        _PROGRESS,
        "        if before is not None and key_of_lastpk(before.lastpk) != key_of_lastpk(lastpk):\n",
        "        if False:\n",
    ),
    (_PROGRESS, "            if keys[shard] != key:\n", "            if False:\n"),
)

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "copied-at",
        "a change that a table's copy contains is not emitted again (rows of tables without a key would be doubled)",
        ((_EXCLUSIONS, "contained = contained | gtid_set(shards[shard])", "pass"),),
        _NOTHING_TWICE,
    ),
    Mutant(
        "own-gtid",
        "a transaction is judged by its own GTID, not by all that came before it",
        (
            (
                _CHANGES,
                "return gtid_set(gtid) - gtid_set(before) if before else gtid_set(gtid)",
                "return gtid_set(gtid)",
            ),
        ),
        _NOTHING_TWICE,
    ),
    Mutant(
        "lowered",
        "a copy from a tablet that is behind the shared position lowers it",
        (
            (
                _COPY,
                "self._stream.incremental and self._context.state.lower(",
                "False and self._context.state.lower(",
            ),
        ),
    ),
    Mutant(
        "others-exact",
        "the other tables are exact where the shared position was before it was lowered",
        (("replication/state.py", "self.tables[name] = CopiedAt({**before, shard: exact_at})", "pass"),),
        _NOTHING_TWICE,
    ),
    Mutant(
        "interrupted-copy",
        "a copy that was interrupted is not exact: all changes since it began are replayed over it",
        ((_PROGRESS, "elif self.attempt == 1 and state.vgtid", "elif state.vgtid"),),
    ),
    Mutant(
        "announced-again",
        "columns that are announced again in a copy mean that VTGate started over within the call",
        (
            (
                _PROGRESS,
                "        self.attempt += 1\n        self._store()\n\n    def forget",
                "        self._store()\n\n    def forget",
            ),
        ),
    ),
    Mutant(
        "state-before-records",
        "a state names a table as begun before its first record",
        (
            (
                _COPIES,
                "            copy.begin(shards)\n        yield self._context.checkpointer.now()\n        try:",
                "            copy.begin(shards)\n        try:",
            ),
        ),
    ),
    Mutant(
        "begun-together",
        "a table of which changes were emitted between the state that names it and its copy is not exact at that copy",
        (
            (
                _COPIES,
                "                    copy.begin(shards)\n                shards = yield from self._copy(",
                "                    pass\n                shards = yield from self._copy(",
            ),
        ),
        without=("errant", "emergency", *_SCHEMA),
    ),
    Mutant(
        "taken-back-purged",
        "a position is lost, too, if a new shard of a reshard that was taken back has purged its binary logs",
        (("keyspace.py", "        if shard not in begun and taken_back:\n", "        if False:\n"),),
        without=("errant", "emergency", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "every-shard",
        "a sync ends when every shard is where it was to come to, not when one is",
        (
            (
                "replication/goal.py",
                "            del self._missing[shard]\n        return not self._missing\n",
                "            del self._missing[shard]\n        return shard not in self._missing\n",
            ),
        ),
        without=("errant", "reshard", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "aligned-shards",
        "a table is copied from the shards that the shared position is of by then, not of when the sync began",
        (
            (
                _SYNC,
                "        yield from self._report_refresh_needed()\n        try:\n",
                "        self._copies.once = tuple(end.shards)\n        try:\n",
            ),
            (
                _COPIES,
                "            if set(self._shards()) == set(now.shards):\n                return tuple(now.shards)\n",
                "            return self.once\n",
            ),
        ),
        without=("errant", "emergency", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "behind-the-journal",
        "a position counts only if the shard's primary answers afterwards: else a reshard may have ended the shard",
        (
            (
                "keyspace.py",
                'intersection(positions[shard], f"{FLAVOR}/{read_lineage(session, topology, shard)}")',
                "positions[shard]",
            ),
        ),
        without=("errant", "emergency", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "lost-copies",
        "a copy that holds transactions which a failover lost needs a refresh",
        (
            (
                _LINEAGE,
                "        if not beyond:\n            return lineage\n",
                "        return lineage\n",
            ),
        ),
        without=("errant", "reshard", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "lost-position",
        "a shared position with transactions that a failover lost ends the sync",
        (
            (
                _LOST,
                "            return foreign(keyspace, shard)\n",
                "            return None\n",
            ),
            (_LINEAGE, "if finding.verdict is Verdict.FOREIGN:", "if False:"),
        ),
        without=("errant", "reshard", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "key-order",
        "a copy goes on from a lastpk only by a key that compares as it is ordered",
        (
            (
                _PROGRESS,
                "return to_resume(lastpk, self._table) if self._table.has_primary_key else None",
                "return lastpk if self._table.has_primary_key else None",
            ),
        ),
        without=("u", "p", "s", "q", "n", "f", "errant", "reshard", "hold", "emergency", *_SCHEMA),
    ),
    Mutant(
        "another-key",
        "a copy goes on from a lastpk only by the key that it was made with",
        (
            *_SAME_KEY,
            (
                "vstream/lastpk.py",
                "if tuple(field.name.lower() for field in result.fields) != tuple(name.lower() for name in table.key):",
                "if False:",
            ),
        ),
        without=("u", "e", "q", "n", "f", "errant", "reshard", "hold", "emergency", "schema", "discover"),
    ),
    Mutant(
        "unique-key",
        "a copy of a table without a primary key starts over: VTTablet may choose another unique key by then",
        (
            (
                _PROGRESS,
                "return to_resume(lastpk, self._table) if self._table.has_primary_key else None",
                "return lastpk",
            ),
            *_SAME_KEY,
        ),
        without=("u", "p", "s", "e", "n", "f", "errant", "reshard", "hold", "emergency", "schema", "discover"),
    ),
    Mutant(
        "missing-column",
        "a tablet that does not know a selected column yet is not copied from",
        (("replication/asked_columns.py", "    if missing:\n", "    if False:\n"),),
        without=("errant", "reshard", "emergency", *_SPECIAL),
    ),
    Mutant(
        "held-rows",
        "however large a transaction is, it is held back until it is known whether a copy contains it",
        (
            (
                _CHANGES,
                "            self._held.add(rows)\n        else:\n",
                (
                    "            self._held.add(rows)\n            if self._held._spilled:\n"
                    "                yield from map(self._emit, self._held.drain())\n        else:\n"
                ),
            ),
        ),
        _NOTHING_TWICE,
    ),
    Mutant(
        "stopped-replication",
        "a shard without a replica that replicates ends a sync, instead of leaving it green and old",
        (("replication/freshness.py", "    if stopped := stopped_message(", "    if False and stopped_message("),),
        without=("errant", "reshard", "emergency", "down", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "stopped-after-a-reshard",
        "so it does in a shard that a reshard has brought since the sync began",
        (
            (
                "replication/freshness.py",
                "_replicating(self._context.vitess.lags(), judged)",
                "self._context.vitess.lags()",
            ),
        ),
        without=("errant", "emergency", "down", "cut", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "unpositioned",
        "changes of tables without transactions bring no position, and the end is reached by them all the same",
        ((_CHANGES, "        if here is None or not goal.missing:\n", "        if True:\n"),),
        without=("u", "p", "s", "e", "q", "n", "f", "errant", "reshard", *_SCHEMA),
    ),
    Mutant(
        "counted-again",
        "changes without positions that come again, as VTGate has opened a stream again, are not counted twice",
        ((_CHANGES, "if event.table in self._unpositioned_tables.get(event.shard, ()):", "if False:"),),
        without=("u", "p", "s", "e", "q", "n", "f", "errant", "reshard", *_SCHEMA),
    ),
    Mutant(
        "check-end",
        "what a sync has read is compared with the primaries once more at its end",
        ((_SYNC, "lineage = yield from self._lineage.check_end()\n", "lineage = {}\n"),),
        without=("errant", "reshard", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "ended-shards",
        "a position on a resharded shard that its tablets have purged or lost is found lost",
        (
            (
                "keyspace.py",
                "            return self._judge_ended(session, topology, shard, gtid)\n",
                "            return Finding(Verdict.NOT_SERVING, gtid)\n",
            ),
        ),
        without=("errant", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "new-shards",
        "a position is lost, too, if a new shard has purged what came since the journal that names it",
        ((_CHANGES_RUN, "            yield from explain_no_tablet(self._context, error)\n", "            pass\n"),),
        without=("errant", "emergency", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "taken-back",
        "a position of before a reshard that was taken back, beside one of after it, is lost, and not waited for",
        ((_CHANGES_RUN, "                explain_stall(self._context, error, target)\n", ""),),
        without=("errant", "emergency", "purge", "complete", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "merged-without",
        "a position of before a merge is lost if all that the shard was merged with are past it, and not waited for",
        ((_CHANGES, "if self._waiting and self._goal.is_final:", "if self._waiting and False:"),),
        without=("errant", "emergency", "purge", "complete", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "merged-copy",
        "a copy from before a merge that was reversed begins anew, if no stream gets past the journal with it",
        (
            (
                "replication/table_copy.py",
                "case MergedShardError() if self._progress.lastpks() and not retry.left:",
                "case MergedShardError() if False:",
            ),
        ),
        without=("errant", "emergency", "purge", "complete", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "errant-is-lost",
        "what only some tablets have is errant: neither lost, nor a reason to copy again",
        (("position/lineage.py", "if unexplained := beyond - errant:", "if unexplained := beyond:"),),
        without=("reshard", "emergency", "complete", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "key-at-the-end",
        "a shard whose copy went on from a lastpk counts as copied once the key is known to be the same",
        (("replication/copy_progress.py", "            self._check_keys({shard: key})\n", "            pass\n"),),
        without=("errant", "reshard", "complete"),
    ),
    Mutant(
        "binlog-left",
        "a stream does not read across a start of MySQL, behind which VTTablet takes tables for others",
        ((_CHANGES, "case BinlogLeft() if (yield from self._has_to_end(event)):", "case BinlogLeft() if False:"),),
        without=("reshard", "errant", "emergency", "complete", "purge", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "meant-tablet",
        "the only replica is asked by its name, so that another one that starts does not answer in its place",
        (("mysql/every_tablet.py", 'if tablet_type != "PRIMARY" else ()', "if len(tablets) > 1 else ()"),),
        without=("reshard", "complete", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "errant-progress",
        "an errant transaction, which comes again with every new stream, is no progress",
        ((_CHANGES, "self._goal.awaits(shard)) and not is_errant:", "self._goal.awaits(shard)):"),),
        without=("cut", "restart", "complete", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "as-select",
        "the DDL of a CREATE TABLE … AS SELECT does not end its transaction",
        (
            (
                "vstream/reader.py",
                "return begun if opens_transaction(event.statement) else (*begun,",
                "return begun if False else (*begun,",
            ),
        ),
        without=("errant", "reshard", "hold", "emergency", "schema", "discover", *_SPECIAL),
    ),
    Mutant(
        "filled-columns",
        "a column that is added with a value for the rows that exist is reported",
        (("replication/rewritten_values.py", 'yield column.name, "ADD COLUMN"', "pass"),),
        without=("errant", "emergency", *_SPECIAL),
    ),
    Mutant(
        "emitted-before-lowered",
        "changes that were emitted before the shared position was lowered are remembered, should a failover lose them",
        (
            (
                "replication/state.py",
                "                self.beyond.note(name, {shard: shared})\n",
                "                pass\n",
            ),
        ),
        without=("errant", *_SCHEMA, *_SPECIAL),
    ),
    Mutant(
        "emitted-by-copies",
        "rows of a copy that started over, or is not exact, are remembered, should a failover lose them",
        (
            (
                "replication/state.py",
                "                    self.beyond.note(table, {shard: part.gtid})\n",
                "                    pass\n",
            ),
            (_PROGRESS, "            state.beyond.note(self._table.name, positions)\n", ""),
        ),
        without=("errant", *_SCHEMA, *_SPECIAL),
    ),
)
