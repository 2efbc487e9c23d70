"""Randomised runs on a real, replicated Vitess: writers, schema changes, faults and killed syncs, then a comparison.

`make chaos MINUTES=60 SEED=1` runs one; see `run.py` for what a run does and how to replay it.
"""
