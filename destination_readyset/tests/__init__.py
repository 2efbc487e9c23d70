"""Tests of destination-readyset, on a real MySQL and a real Vitess."""
