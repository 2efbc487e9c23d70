"""A search for schedules under which the connector loses something: the model of an uneven Vitess, and an adversary.

The scripted Vitess is the model: every tablet is a server of its own, which replicates or not, with rows, binary log,
GTIDs and a schema engine that may be late (`instruments/scripted_vtgate/model`; each rule about Vitess names the Go
file that it is from, and `unit_tests/instruments/test_scripted_vtgate*.py` hold the model to them). An adversary
chooses at every question and message who answers, what happens, and whether the sync is killed; it plays the numbers
of a schedule (`adversary`). The connector runs in this process, from LiveVitess on, without sockets and on a clock of
its own (`inprocess`), so that a schedule takes some 15 ms.

One property (`play`): what was emitted, applied in order, equals what SELECT gives once everything replicates and
nothing fails any more, and the syncs are complete. Or a stream or a sync reports in words that it does not, which is a
false alarm unless something was lost, altered, purged or deleted; then the streams are refreshed and compared again.
What nobody can know is left out: rows that were emitted without a state behind them before a failover took them back,
and how often rows of a table without a key came after a failure.

    python -m instruments.model_search --minutes 1 --seed 1    what is found is made shorter, and printed as steps
    python -m instruments.model_search --play 0 1 2 …          one schedule again
    python -m instruments.model_search.taken_back              rules of the connector taken back: each must be found

A sync that is complete while no replica of a shard has replicated anything all the while is a fault as well, and so is
one that is complete with what a failover had lost before its last stream ended.

What the model does not have: values (all are small numbers and words), XA, messages that are too large, views,
MoveTables and routing rules, cells, row_filters, several keyspaces, minimal row images, tablets without
--track-schema-versions, errant transactions that change rows, and tables without transactions that no stream is of.
docs/reliability.md has the test on a real server of each rule about Vitess.
"""
