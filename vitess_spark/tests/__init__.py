"""Tests of vitess-spark."""
