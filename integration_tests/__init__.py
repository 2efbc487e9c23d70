"""Tests on a real Vitess."""
