"""The document's example is the code that a test runs."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from vitess_spark import options

HERE = Path(__file__).parent
DOCUMENT = (HERE.parent.parent / "docs" / "spark.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("    # begin of the example in docs/spark.md\n", "    # end of the example\n"),
        (
            "    # begin of the example with several tables in docs/spark.md\n",
            "    # end of the example with several tables\n",
        ),
        ("    # begin of the example with Delta in docs/spark.md\n", "    # end of the example with Delta\n"),
    ],
)
def test_an_example_is_what_the_stream_of_a_real_spark_merges_with(begin: str, end: str) -> None:
    """Word for word."""
    program = (HERE / "spark_program.py").read_text(encoding="utf-8")
    _, rest = program.split(begin)
    example, _ = rest.split(end)

    assert textwrap.dedent(example).strip() in DOCUMENT


def test_every_option_is_in_the_table() -> None:
    """Under its name."""
    for name in (*options.OWN, *options.FIELDS):
        assert f"`{name}`" in DOCUMENT
