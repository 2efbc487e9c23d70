"""Tests that need nothing but this process: no network beyond loopback, no Vitess."""
