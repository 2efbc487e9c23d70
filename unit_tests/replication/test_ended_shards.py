"""A saved position on a shard that was resharded since, from which VTGate does not go on by itself.

It says of most of these only that it found no tablet, after 90 seconds, in every sync.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from instruments.model_search.adversary import NAMES
from instruments.model_search.play import play
from instruments.scripted_vtgate import events
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError, NoTabletError, PositionLostError
from source_vitess.proto import vtgate_pb2
from source_vitess.replication import change_stream
from unit_tests.syncing import Syncs, rows

OLD, NEW = "80-", ["80-c0", "c0-"]
RESYNC = {"invalid_cdc_position_behavior": "Re-sync data"}


@pytest.fixture(params=["PRIMARY", "REPLICA"])
def synced(request: pytest.FixtureRequest, vitess: Vitess) -> Syncs:
    """A sync of both tables; its second shard is resharded then, and written to before and after."""
    vitess.make_uneven("PRIMARY", "REPLICA", "REPLICA")
    vitess.insert("a", *rows(6))
    syncs = Syncs(vitess, tablet_type=request.param)
    assert syncs.run() is None
    vitess.insert("a", *rows(6, start=7))
    return syncs


def reshard(vitess: Vitess) -> None:
    """Splits a shard and writes to both halves."""
    vitess.reshard([OLD], NEW)
    vitess.insert("a", *rows(6, start=13))


def expect_purged(error: object, shard: str) -> None:
    """Expects the error that says what to do."""
    assert isinstance(error, PositionLostError)
    assert f"Shard {shard} of keyspace commerce has purged the binary logs" in error.message


def test_it_goes_on_if_all_is_there(vitess: Vitess, synced: Syncs) -> None:
    """The usual: the old shard is followed to its end, whatever replicas of it have gone."""
    reshard(vitess)
    vitess.shards[OLD].tablets[1].running = False

    assert synced.run() is None

    synced.expect_equal()


def test_the_old_shard_has_purged_its_binary_logs(vitess: Vitess, synced: Syncs) -> None:
    """The position is lost; with "Re-sync data" all is copied again in the same sync."""
    reshard(vitess)
    vitess.shards[OLD].purge()
    before = list(synced.store.states)

    expect_purged(synced.run(), OLD)

    again = Syncs(vitess, tablet_type=synced.connector.config["tablet_type"], **RESYNC)
    again.store.states = before
    assert again.run() is None
    again.expect_equal()


def test_one_replica_keeps_its_binary_logs(vitess: Vitess, synced: Syncs) -> None:
    """What one tablet has purged another may have: then nothing is lost."""
    reshard(vitess)
    primary, replica, _ = vitess.shards[OLD].tablets
    for tablet in (primary, replica) if synced.connector.config["tablet_type"] == "REPLICA" else (replica,):
        tablet.data.purged = tablet.data.executed

    assert synced.run() is None

    synced.expect_equal()


def test_a_new_shard_has_purged_its_binary_logs(vitess: Vitess, synced: Syncs) -> None:
    """VTGate follows the journal, and cannot go on: the new shard's position in the journal is lost."""
    reshard(vitess)
    vitess.purge(NEW[1])

    expect_purged(synced.run(), NEW[1])


def test_all_new_shards_have_purged_their_binary_logs(vitess: Vitess, synced: Syncs) -> None:
    """The stream goes over to them last, and nothing comes of them: where they begin is read from the journal."""
    vitess.reshard([OLD], NEW)
    for shard in NEW:
        vitess.touch(shard)
        vitess.purge(shard)

    expect_purged(synced.run(), NEW[0])


def test_a_failover_of_a_new_shard_has_lost_transactions(vitess: Vitess, synced: Syncs) -> None:
    """The position in the journal holds some that no server of the new shard has: nothing can go on from it."""
    vitess.begin_reshard([OLD], NEW)
    new = vitess.shards[NEW[1]]
    new.tablets[1].follows = False
    vitess.write_journals(NEW)
    vitess.promote(NEW[1], new.tablets[1], dead=True)
    for tablet in new.tablets[1:]:
        new.rebuild(tablet, vitess.new_uuid())
    vitess.switch_routing(NEW)

    error = synced.run()

    assert isinstance(error, PositionLostError)
    assert f"shard {NEW[1]} holds transactions that keyspace commerce does not have" in error.message


def test_a_shard_of_two_reshards_later_has_purged_its_binary_logs(vitess: Vitess, synced: Syncs) -> None:
    """The journal of the journal's shard is read, too."""
    reshard(vitess)
    vitess.reshard([NEW[1]], ["c0-e0", "e0-"])
    vitess.insert("a", *rows(20, start=30))
    vitess.purge("e0-")

    expect_purged(synced.run(), "e0-")


def test_the_shards_of_a_reshard_that_was_taken_back_have_purged_their_binary_logs(
    vitess: Vitess, synced: Syncs
) -> None:
    """The position's shard serves again, but VTGate goes through its journal all the same."""
    vitess.reshard([OLD], NEW)
    vitess.reshard(NEW, [OLD])
    for shard in NEW:
        vitess.shards[shard].purge()

    expect_purged(synced.run(), NEW[0])


def test_a_failover_before_the_reshard_has_lost_transactions(vitess: Vitess, synced: Syncs) -> None:
    """The position holds what no server of the old shard has: it is lost, and says that it is not purged."""
    old = vitess.shards[OLD]
    for tablet in old.tablets[1:]:
        tablet.follows = False
    vitess.insert("a", {"id": 100, "name": "lost"}, shard=OLD)
    if synced.connector.config["tablet_type"] == "REPLICA":
        old.catch_up(old.tablets[1])
    assert synced.run() is None
    vitess.promote(OLD, old.tablets[2], dead=True)
    for tablet in old.tablets[1:]:
        old.rebuild(tablet, vitess.new_uuid())
    reshard(vitess)

    error = synced.run()

    assert isinstance(error, PositionLostError)
    assert f"shard {OLD} holds transactions that keyspace commerce does not have" in error.message


def test_no_tablet_is_up(vitess: Vitess, synced: Syncs) -> None:
    """That passes: nothing is known of the binary logs, and nobody is asked to copy everything again."""
    reshard(vitess)
    for tablet in vitess.shards[OLD].tablets:
        tablet.running = False
        tablet.data.purged = tablet.data.executed

    error = synced.run()

    assert isinstance(error, NoTabletError)
    assert not isinstance(error, ConfigError)
    for tablet in vitess.shards[OLD].tablets:
        tablet.running = True
    expect_purged(synced.run(), OLD)


def merge_late(vitess: Vitess) -> None:
    """Merges the first shard with the second one, which was split and merged before: two reshards behind."""
    reshard(vitess)
    for number in range(12):
        vitess.touch(NEW[0])
        vitess.update("a", {"id": 14}, {"name": f"again {number}"})
    vitess.reshard(NEW, [OLD])
    vitess.reshard(["-80", OLD], ["-"])
    vitess.update("a", {"id": 3}, {"name": "at last"})


def test_a_shard_is_merged_with_one_that_is_behind_other_reshards(vitess: Vitess, synced: Syncs) -> None:
    """VTGate comes to its journal while the other one is still to come: it stands still until then."""
    merge_late(vitess)

    assert synced.run() is None

    synced.expect_equal()
    assert [entry["shard"] for entry in synced.store.states[-1]["global"]["shared_state"]["vgtid"]] == ["-"]
    assert any("became new ones together" in line for line in synced.store.logs)


def test_a_vtgate_that_names_the_shard_as_a_target(vitess: Vitess, synced: Syncs) -> None:
    """As VTGate before v22 does: the shard stands still all the same."""
    vitess.wraps_errors = False
    merge_late(vitess)

    assert synced.run() is None

    synced.expect_equal()
    assert [entry["shard"] for entry in synced.store.states[-1]["global"]["shared_state"]["vgtid"]] == ["-"]
    assert any("became new ones together" in line for line in synced.store.logs)


def test_a_shard_that_stands_still_is_part_of_each_state(
    vitess: Vitess, synced: Syncs, settings: Callable[..., None]
) -> None:
    """A sync that is killed meanwhile goes on from there, however often."""
    settings(checkpoint_records=1)
    merge_late(vitess)

    for stop in range(2, 20):
        synced.run(stop_after=stop)
        covered = {entry["shard"] for entry in synced.store.states[-1]["global"]["shared_state"]["vgtid"]}
        assert covered == {"-"} or "-80" in covered

    assert synced.run() is None
    synced.expect_equal()


def test_a_shard_stands_still_in_vain(vitess: Vitess, synced: Syncs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one does not come to the merge: the wait ends, the stream is opened again, and the sync gets there."""
    monkeypatch.setattr(change_stream, "SILENCE_SECONDS", 0)
    merge_late(vitess)
    silent: list[int] = []

    def silence(response: vtgate_pb2.VStreamResponse) -> Iterator[vtgate_pb2.VStreamResponse]:
        request = vitess.vstream.requests[-1]
        stands_still = "-80" not in {entry.shard for entry in request.vgtid.shard_gtids}
        if stands_still and not silent and not is_question(request):
            silent.append(1)
            yield vtgate_pb2.VStreamResponse(events=[events.heartbeat()])
        yield response

    vitess.rewrite = silence

    assert synced.run() is None

    assert silent
    synced.expect_equal()
    told = "The shard -80 was merged with others, and these do not come to that."
    assert sum(told in line for line in synced.store.logs) == 1


def is_question(request: vtgate_pb2.VStreamRequest) -> bool:
    """Tells a stream that only asks for the position of now."""
    return all(entry.gtid == "current" for entry in request.vgtid.shard_gtids)


@pytest.mark.parametrize(
    ("split", "told"),
    [
        (None, "is from before a reshard that was reversed"),
        (6, "is from before it was merged with other shards"),
    ],
    ids=["then-nothing", "then-the-other-one-is-split"],
)
def test_a_replica_lacks_the_journal_of_a_merge_that_was_taken_back(split: int | None, told: str) -> None:
    """Its position is from before the journal, the other shard's from after it: no stream gets past the journal.

    VTGate waits there for the other shard; or fails at it, where that one was split since. Played on the model's own
    clock: the connector waits for minutes until it says so.
    """
    steps = [("hold", 0, 0)]
    for reshard in (1, 2, split):
        steps += [("reshard", reshard, 0), ("reshard", 0, 0), ("reshard", 0, 1)] if reshard is not None else []
    steps += [("write", 0, number) for number in (1, 2, 3)]
    numbers = [0, 2, 1, 0, 2, 1, 0, 0, 0, 0]
    for at, (name, a, b) in enumerate(steps):
        numbers += [20 if at == len(steps) - 3 else 0, NAMES.index(name), a, b]

    outcome = play(tuple(numbers))

    reported = [line for line in outcome.trace if told in line]
    assert "PositionLostError: The saved position of shard -80" in reported[0]
    assert outcome.kind == "equal", "after a refresh"


def test_a_shard_whose_merge_was_taken_back_is_split() -> None:
    """VTGate waits at the journal of the merge, and what is missing are the shards of the split."""
    merged_and_back = (10, 23, 0, 0, 0, 14, 9, 0, 1, 14, 0, 0, 3, 14, 0, 5, 2, 14, 2, 0)
    then_split = (14, 14, 0, 0, 0, 14, 0, 0, 0, 14, 0, 0, 17, 14, 0, 0)

    outcome = play((1, 2, 0, 0, 0, 0, 0, 0, 0, 0, *merged_and_back, *then_split))

    reported = [line for line in outcome.trace if "is from before a reshard that was reversed" in line]
    assert "PositionLostError: The saved position of shard -80" in reported[0]
    assert outcome.kind == "equal", "after a refresh"


def test_all_tablets_have_purged_an_errant_transaction_after_the_journal() -> None:
    """VTGate takes the position from the journal of the way back, and no tablet can be streamed from there.

    A saved position is given what all tablets have purged; with that of the journal nobody can: every sync ended with
    "no tablet", as if it passed.
    """
    begin = (0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 14, 0, 0, 0, 14, 0, 0, 0, 14, 0, 11, 7, 12, 0, 0, 1, 19, 0, 0)

    outcome = play((*begin, 30, 14, 5, 0, 0, 14, 0, 0))

    assert outcome.kind == "equal", outcome.text
    assert any("Shard - of keyspace commerce has purged" in line for line in outcome.trace)


def test_changes_that_a_failover_of_a_new_shard_has_lost_under_a_copy() -> None:
    """They were read from the old shard. The copy lowers the new shard's position, which hid that they are lost."""
    begin = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 14, 0, 0, 3, 0, 0, 14, 0, 23, 14, 0, 14, 14, 0, 0)

    outcome = play((*begin, 0, 14, 0, 0, 1, 9, 2, 0, 0, 6, 0, 0))

    assert outcome.kind == "equal", outcome.text
    assert any("t failed: Rows of table 't' were read from a server of shard '80-'" in line for line in outcome.trace)
