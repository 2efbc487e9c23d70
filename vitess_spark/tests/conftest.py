"""Seeds, and waits that take no time where nobody is waited for."""

from __future__ import annotations

import os
import random

import pytest


@pytest.fixture
def seed() -> int:
    """What is random begins with it; it is printed with a failure."""
    chosen = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)
    print(f"seed: SOURCE_VITESS_SEED={chosen}")
    return chosen
