"""Statements of the change stream, understood: the words, the clauses, and nothing of what they mean for a sync."""
