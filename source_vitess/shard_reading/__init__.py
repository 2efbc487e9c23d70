"""One shard, read by positions: a copy of a table, and exactly the transactions between two positions.

For engines that read many shards at once and decide themselves what is read when, such as Spark. Nothing here is of
Airbyte, and nothing keeps a state: what is read follows from the arguments alone.

The sync (`replication`) is not built on this, and would not get simpler by it. It reads all shards in one VStream,
where VTGate itself follows a reshard and the binary logs are read once; it emits a transaction before it knows its
position, and leaves the rest to its state; and it goes on with an interrupted copy at a later position, because it
replays the changes in between. Here a shard ends where its journal is, a transaction is given whole or not at all, and
a copy that cannot go on at its position is given up. What both need they share: the reader of events, the judgement of
positions, the statements that remove rows, the keys that a copy can go on by.
"""
