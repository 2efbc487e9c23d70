"""Airbyte destination for ReadySet: keeps a keyspace's tables in the MySQL that a ReadySet replicates."""
