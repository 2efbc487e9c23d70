"""Whether the shards' primaries have what the positions of a sync hold.

Every position is the answer of one tablet. `LineageCheck` compares each that a state holds with what the shards'
primaries have executed, asked later: at the start of a sync, after the copies, and at the end.

- What only some tablets hold is errant. It is no part of any position that is kept, the change stream leaves it out,
  and the log names it once.
- What no server holds is lost: an asynchronous failover, or another cluster. For the shared position that ends the
  sync. A copy with such transactions holds rows that nobody can identify, so its table needs a refresh.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping

from source_vitess.errors import (
    ConfigError,
    LostTransactionsError,
    TransientError,
)
from source_vitess.position.gtid import GtidSet
from source_vitess.position.lineage import Finding, Verdict
from source_vitess.position.vgtid import Vgtid, contains, gtid_set, intersection, union
from source_vitess.replication.changes import Changes
from source_vitess.replication.context import SyncContext
from source_vitess.replication.lost_position import foreign, refusal
from source_vitess.replication.messages import Failed, Log, Message
from source_vitess.replication.table_state import CopiedAt, Copying, RefreshNeeded

#: Characters of a GTID set that a line shows.
_SHOWN = 200


class LineageCheck:
    """Compares the positions of one sync with what the shards' servers have.

    Args:
        context: The sync.
        changes: Leaves out what is errant.
    """

    def __init__(self, context: SyncContext, changes: Changes) -> None:
        self._context = context
        self._vitess = context.vitess
        self._state = context.state
        self._changes = changes
        self._copied: dict[str, dict[str, str]] = {}
        self._named: dict[str, GtidSet] = {}

    def copied(self, table: str, positions: Mapping[str, str]) -> None:
        """Remembers of which positions the rows are that were copied of a table, by shard."""
        known = self._copied.setdefault(table, {})
        for shard, gtid in positions.items():
            known[shard] = union(known[shard], gtid) if shard in known else gtid

    def check_start(self) -> Iterator[Message]:
        """Checks that the shared position can be gone on from, and what the tables' copies hold.

        Raises:
            PositionLostError: The shared position cannot be continued.
            ConfigError: It is of shards that are not read any more.
            TransientError: No tablet has come as far yet, or not all of them answered.
        """
        saved = self._state.vgtid
        if saved is None:
            return
        findings = yield from self._context.ask(lambda: self._start_from(saved))
        yield from self._note_errant(findings)
        yield from self._report_errant_read(saved, findings)
        self._state.vgtid = saved.replaced({shard: finding.position for shard, finding in findings.items()})
        self._leave_out_of_copies((yield from self._check_tables(ending=False)))
        self._state.beyond.drop_other_shards(saved.shards)

    def check_copies(self) -> Generator[Message, None, frozenset[str]]:
        """Checks what the copies of this sync hold, and takes out of their positions what is errant.

        Returns:
            The tables that have to be copied again.

        Raises:
            TransientError: That is not known now.
        """
        before = set(self._state.tables)
        self._leave_out_of_copies((yield from self._check_tables(ending=False)))
        return frozenset(before - set(self._state.tables))

    def _leave_out_of_copies(self, lineage: Mapping[str, str]) -> None:
        """Takes out of the copies' positions what is errant: it would never be reached."""
        self._state.beyond.leave_out(lineage)
        for name, state in self._state.tables.items():
            if isinstance(state, CopiedAt):
                self._state.tables[name] = CopiedAt(
                    {
                        shard: gtid
                        if shard not in lineage or contains(lineage[shard], gtid)
                        else intersection(gtid, lineage[shard])
                        for shard, gtid in state.shards.items()
                    }
                )

    def check_end(self) -> Generator[Message, None, Mapping[str, str]]:
        """Checks once more what the sync has read.

        Returns:
            By shard, what its primary has executed.

        Raises:
            PositionLostError: Changes were read that are lost since.
            TransientError: That is not known now, or the next sync starts over because of it.
        """
        self._context.checkpointer.settle()
        reached = self._state.vgtid
        if reached is None:
            return {}
        lineage = yield from self._check_tables(ending=True)
        if any(not contains(lineage[shard], gtid) for shard, gtid in reached.shards.items() if shard in lineage):
            self._state.vgtid = yield from self._without_errant(reached)
        return lineage

    def _without_errant(self, reached: Vgtid) -> Generator[Message, None, Vgtid]:
        findings = yield from self._context.ask(lambda: self._vitess.verify(reached.shards))
        yield from self._note_errant(findings)
        yield from self._report_errant_read(reached, findings)
        for shard, finding in findings.items():
            if finding.verdict is Verdict.FOREIGN:
                lost = foreign(reached.keyspace, shard)
                if not self._context.settings.resync_lost_position:
                    raise lost
                raise TransientError(f"{lost.message} The next sync copies everything again, as configured.")
        return reached.replaced(
            {shard: finding.position for shard, finding in findings.items() if finding.verdict is Verdict.OK}
        )

    def _start_from(self, saved: Vgtid) -> Mapping[str, Finding]:
        findings = self._vitess.verify(saved.shards)
        others = [shard for shard, finding in findings.items() if finding.verdict is Verdict.NOT_SELECTED]
        if others:
            raise ConfigError(
                f"The saved state is of the shard {', '.join(others)}, which the source does not read any more. Set "
                "the field shards back, or clear the connection's data to copy everything again."
            )
        for shard, finding in sorted(findings.items()):
            if error := refusal(saved.keyspace, shard, finding.verdict, self._vitess.tablet_type):
                raise error
        return findings

    def _check_tables(self, *, ending: bool) -> Generator[Message, None, Mapping[str, str]]:
        """Takes out tables whose copies hold lost transactions. Returns what the primaries have, by shard."""
        lineage = (yield from self._context.ask(self._vitess.lineage)).shards
        beyond: dict[str, str] = {}
        held = self._held()
        for positions in held.values():
            for shard, gtid in positions.items():
                # What a shard has that was resharded is not asked of its primary with the others'.
                if shard not in lineage or not contains(lineage[shard], gtid):
                    beyond[shard] = union(beyond[shard], gtid) if shard in beyond else gtid
        if not beyond:
            return lineage
        findings = yield from self._context.ask(lambda: self._judged(beyond))
        yield from self._note_errant(findings)
        for name, positions in held.items():
            for shard, gtid in positions.items():
                finding = findings.get(shard)
                if finding is None or finding.lineage is None:
                    continue  # resharded since, and its primary is gone
                if gtid_set(gtid) - finding.lineage - finding.errant:
                    yield from self._lost(LostTransactionsError(name, shard), ending=ending)
                    break
        return lineage

    def _judged(self, positions: Mapping[str, str]) -> Mapping[str, Finding]:
        """Returns what is known of positions of copies.

        Raises:
            TransientError: Whether one holds lost transactions is not known now.
        """
        findings = self._vitess.verify(positions)
        for shard, finding in findings.items():
            if (
                finding.verdict is Verdict.UNKNOWN
                and finding.lineage is not None
                and gtid_set(positions[shard]) - finding.lineage - finding.errant
            ):
                raise TransientError(f"Not all {self._vitess.tablet_type} tablets of shard {shard} answered.")
        return findings

    def _held(self) -> Mapping[str, Mapping[str, str]]:
        """Returns by table and shard the positions that its copy is of."""
        held: dict[str, dict[str, str]] = {name: dict(positions) for name, positions in self._copied.items()}
        beyond = self._state.beyond.by_table()
        for name, state in self._state.tables.items():
            shards: Mapping[str, str] = {}
            if isinstance(state, CopiedAt):
                shards = state.shards
            elif isinstance(state, Copying):
                shards = {shard: part.gtid for shard, part in state.shards.items()}
            known = held.setdefault(name, {})
            for shard, gtid in (*shards.items(), *beyond.get(name, {}).items()):
                known[shard] = union(known[shard], gtid) if shard in known else gtid
        return {
            name: positions
            for name, positions in held.items()
            if positions and not isinstance(self._state.tables.get(name), RefreshNeeded)
        }

    def _lost(self, error: LostTransactionsError, *, ending: bool) -> Iterator[Message]:
        self._copied.pop(error.stream, None)
        self._state.beyond.drop_other_tables(self._state.tables.keys() - {error.stream})
        if not self._context.settings.resync_lost_position:
            yield self._context.give_up(error)
            return
        self._state.tables.pop(error.stream, None)
        again = f"{error.message} It is copied again, as configured."
        if ending:
            yield Failed(error.stream, TransientError(again))
        else:
            yield Log(again, warning=True)

    def _note_errant(self, findings: Mapping[str, Finding]) -> Iterator[Message]:
        """Has the change stream leave out what is errant, and names it once."""
        for shard, finding in findings.items():
            known = self._named.get(shard, GtidSet({}))
            if new := finding.errant - known:
                self._named[shard] = known | new
                self._changes.leave_out(shard, self._named[shard])
                yield Log(
                    f"A {self._vitess.tablet_type} tablet of shard {shard} has transactions that its primary does not "
                    f"have (errant GTIDs {_shown(new)}). Changes made by them "
                    "are left out; a copy that is read from that tablet holds them. Rebuild the tablet.",
                    warning=True,
                )

    def _report_errant_read(self, position: Vgtid, findings: Mapping[str, Finding]) -> Iterator[Message]:
        """Reports errant transactions that are part of a position: they came before they were known to be errant."""
        for shard, finding in findings.items():
            if finding.lineage is None or finding.verdict is Verdict.FOREIGN:
                continue
            if read := (gtid_set(position.shards[shard]) - finding.lineage) & finding.errant:
                yield Log(
                    f"Transactions of shard {shard} were read that its primary does not have, or not any more "
                    f"({_shown(read)}): written to a replica, or lost in a failover. What they changed is in the "
                    "destination. Refresh the streams whose tables they may have changed, with removal of old records.",
                    warning=True,
                )


def _shown(gtids: GtidSet) -> str:
    text = str(gtids)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
