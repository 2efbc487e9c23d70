"""A small Vitess in memory: keyspace, shards, tables, binlogs; its VStream has the semantics of VTGate v24."""
