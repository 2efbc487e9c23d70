"""Where the cache is."""

import os
from pathlib import Path

import pytest

from vitess_local.cache import CACHE_VARIABLE, cache_root


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else in the platform's usual place, which for root is readable by the servers' account."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_root() == tmp_path

    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cache_root() == Path("/var/cache/source-vitess")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/u/.c")
    assert cache_root() == Path("/home/u/.c/source-vitess")
