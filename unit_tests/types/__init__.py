"""Tests of the types, a module per module of `source_vitess.types`."""
