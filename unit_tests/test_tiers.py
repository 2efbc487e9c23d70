"""The tier of the oldest pair of servers runs where that pair is, and says why elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from vitess_local.install.pair import MYSQL_VARIABLE, VITESS_VARIABLE

from source_vitess.vitess_release import OLDEST
from tools import installed
from tools.tiers import OLDEST_PAIR, TIERS


def test_a_pair_that_is_not_installed_is_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the command that installs it: nothing is built in the middle of the tests."""
    monkeypatch.setenv("SOURCE_VITESS_CACHE", str(tmp_path))

    assert installed.main(["19", "8.0"]) == 1

    reason = capsys.readouterr().err
    assert "Vitess 19.0.9 with MySQL 8.0 is not in the cache" in reason
    assert "`vitess-local install --vitess-version 19.0.9 --mysql-version 8.0`" in reason
    assert list(tmp_path.iterdir()) == []


def test_a_pair_that_cannot_be_had_is_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """With what can."""
    assert installed.main(["18", "8.0"]) == 1
    assert "Vitess 18 is not among the releases that can be built: 19.0.9" in capsys.readouterr().err


def test_the_oldest_pair_is_the_oldest_that_is_supported() -> None:
    """What tests take of the environment is that pair, whatever cluster somebody keeps for other tests."""
    tier = TIERS["oldest"]

    assert int(OLDEST_PAIR[0]) == OLDEST
    assert (tier.environment[VITESS_VARIABLE], tier.environment[MYSQL_VARIABLE]) == OLDEST_PAIR
    assert not tier.environment["SOURCE_VITESS_TEST_CLUSTER"]
    assert tuple(tier.prepare[-2:]) == OLDEST_PAIR
