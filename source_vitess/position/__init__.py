"""Positions: GTID sets, and the VGTID of a keyspace."""
