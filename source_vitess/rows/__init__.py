"""A table's rows: from VStream's bytes to members of JSON objects."""
