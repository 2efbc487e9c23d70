"""`make bench`: how fast this connector is, beside a client that throws the bytes away and beside Debezium.

`tables` makes the data, `clients` runs and measures one read, `throwaway` is the bare client, `scenarios` defines
what is compared, `report` writes docs/performance.md, `__main__` puts them together.
"""
