"""`make demo`: a real Vitess, a small shop, and what the connector makes of it.

`shop` is what stands in the database and what happens to it, `connector` runs the program, `report` prints,
`__main__` is the story. The records are compared with SELECT by the oracle of the integration tests.
"""
