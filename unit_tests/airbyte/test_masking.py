"""Secrets do not get into what is written, and words do not lose letters to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from source_vitess.airbyte.lines import log_line
from source_vitess.airbyte.masking import masked, set_secrets


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """No other test has these secrets."""
    yield
    set_secrets([])


def test_a_long_secret_is_masked_everywhere() -> None:
    """Within a word too: it is none by chance."""
    set_secrets(["correct-horse"])

    assert masked("xcorrect-horsex of mysql://app:correct-horse@gate") == "x****x of mysql://app:****@gate"


def test_a_short_secret_is_masked_where_it_stands_alone() -> None:
    """A password `app` says nothing of `applied`, and is not shown in an address."""
    set_secrets(["app", "p+", ""])

    assert masked("2 caches are applied; mysql://u:app@gate, 'app', p+ (app)") == (
        "2 caches are applied; mysql://u:****@gate, '****', **** (****)"
    )
    assert b"applied with ****" in log_line("INFO", "applied with app")


def test_other_secrets_replace_those_before() -> None:
    """Of another configuration in the same process."""
    set_secrets(["app", "correct-horse"])
    set_secrets(["other"])

    assert masked("app correct-horse other") == "app correct-horse ****"
