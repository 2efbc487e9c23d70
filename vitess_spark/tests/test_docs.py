"""The document's example is the code that a test runs."""

from __future__ import annotations

import textwrap
from pathlib import Path

from vitess_spark import options

HERE = Path(__file__).parent
DOCUMENT = (HERE.parent.parent / "docs" / "spark.md").read_text(encoding="utf-8")


def test_the_example_is_what_the_stream_of_a_real_spark_merges_with() -> None:
    """Word for word."""
    program = (HERE / "spark_program.py").read_text(encoding="utf-8")
    _, rest = program.split("    # begin of the example in docs/spark.md\n")
    example, _ = rest.split("    # end of the example\n")

    assert textwrap.dedent(example).strip() in DOCUMENT


def test_every_option_is_in_the_table() -> None:
    """Under its name."""
    for name in (*options.OWN, *options.FIELDS):
        assert f"`{name}`" in DOCUMENT
