"""What `tools.matrix` makes of results: the record, and the table in docs/versions.md."""

from __future__ import annotations

from pathlib import Path

import pytest
from vitess_local.errors import VitessLocalError
from vitess_local.install.pair import MYSQL_VARIABLE, VITESS_VARIABLE
from vitess_local.install.releases import RELEASES

from tools import matrix
from tools.matrix import Result, Servers

NEW, OLD = Servers("24.0.4", "9.7.4"), Servers("19.0.9", "8.0.31")


@pytest.fixture(autouse=True)
def no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what the environment chooses."""
    for variable in (VITESS_VARIABLE, MYSQL_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


def test_the_record_keeps_every_result(tmp_path: Path) -> None:
    """Also failures and skipped tests, so that a later run of other pairs can write the whole table."""
    record = {
        NEW: {"values": Result(13, (), {}, 40, "abc1234")},
        OLD: {"read": Result(5, ("test_read::test_x",), {"test_y": "too old"}, 60, "abc1234")},
    }
    file = tmp_path / "record.json"

    matrix.write_record(record, file)

    assert matrix.read_record(file) == record
    assert matrix.read_record(tmp_path / "none.json") == {}


def test_tests_that_failed_are_run_again(tmp_path: Path) -> None:
    """They alone. What passes then counts, and the document says so; what does not is still a failure."""
    first = Result(5, ("test_read::test_x", "test_moments::test_y[old]"), {"test_z": "too old"}, 60, "abc1234")

    result = first.with_again(Result(1, ("test_moments::test_y[old]",), {}, 9, "def5678"))

    with pytest.raises(ValueError, match="0 tests passed, of test_read::test_x, test_moments"):
        first.with_again(Result(0, ("pytest did not come to an end",)))
    assert result.cell == "6 passed, **1 failed**, 1 skipped"
    assert (result.seconds, result.commit) == (69, "abc1234")
    matrix.write_record({NEW: {"rest": result}}, tmp_path / "record.json")
    assert matrix.read_record(tmp_path / "record.json") == {NEW: {"rest": result}}
    text = matrix.render({NEW: {"rest": result}})
    assert "- 24.0.4 on 9.7.4, failed at abc1234, passed at def5678: `test_read::test_x`" in text
    assert "- 24.0.4 on 9.7.4, failed: `test_moments::test_y[old]`" in text
    assert matrix.tests_of(["test_read::test_x", "test_moments::test_y[old]"]) == [
        "integration_tests/test_read.py::test_x",
        "integration_tests/test_moments.py::test_y[old]",
    ]


def test_the_table_has_a_row_for_each_pair_the_newest_first() -> None:
    """A step that did not run leaves its cell empty; what failed or was skipped is named below."""
    text = matrix.render(
        {
            OLD: {
                "values": Result(12, (), {"every[vectors]": "MySQL has VECTOR since 9.0"}),
                "read": Result(5, ("test_read::test_x",)),
                "chaos": Result(0),
            },
            Servers("9.0.1", "8.0.31"): {"demo": Result(0, ("demo",))},
            NEW: {"values": Result(13)},
        }
    )
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    steps = list(matrix.STEPS)

    assert [row[:2] for row in rows[2:]] == [["24.0.4", "9.7.4"], ["19.0.9", "8.0.31"], ["9.0.1", "8.0.31"]]
    old = dict(zip(steps, rows[3][2:], strict=True))
    assert old["values"] == "12 passed, 1 skipped"
    assert old["read"] == "5 passed, **1 failed**"
    assert old["chaos"] == "**nothing ran**"
    assert old["demo"] == ""
    assert "- 19.0.9 on 8.0.31, failed: `test_read::test_x`" in text
    assert "- 19.0.9 on 8.0.31, skipped: `every[vectors]`: MySQL has VECTOR since 9.0" in text


def test_only_the_table_is_replaced(tmp_path: Path) -> None:
    """What people wrote around it stays; a document without a place for it is an error."""
    file = tmp_path / "versions.md"
    file.write_text(f"before\n{matrix.BEGIN}\nthe last one\n{matrix.END}\nafter\n")

    matrix.write_document({NEW: {"values": Result(13)}}, file)
    matrix.write_document({NEW: {"values": Result(14)}}, file)

    text = file.read_text()
    assert text.startswith(f"before\n{matrix.BEGIN}\n\n| Vitess |")
    assert text.endswith(f"\n{matrix.END}\nafter\n")
    assert "14 passed" in text
    assert "13 passed" not in text
    assert "the last one" not in text
    file.write_text("nothing")
    with pytest.raises(ValueError, match="does not have the lines"):
        matrix.write_document({}, file)


def test_the_document_is_what_the_record_says(tmp_path: Path) -> None:
    """Nobody has changed one of them by hand."""
    text = matrix.DOCUMENT.read_text(encoding="utf-8")
    file = tmp_path / "versions.md"
    file.write_text(text, encoding="utf-8")

    matrix.write_document(matrix.read_record(), file)

    assert file.read_text(encoding="utf-8") == text


def test_a_report_of_pytest_is_read(tmp_path: Path) -> None:
    """An error in a fixture counts as a failure."""
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="integration_tests.test_a" name="good"/>'
        '<testcase classname="integration_tests.test_a" name="bad"><failure/></testcase>'
        '<testcase classname="integration_tests.test_a" name="broken"><error/></testcase>'
        '<testcase classname="integration_tests.test_a" name="old"><skipped message="too old"/></testcase>'
        "</testsuite></testsuites>"
    )

    assert Result(1, ("test_a::bad", "test_a::broken"), {"old": "too old"}, 3, "abc") == matrix.read_report(
        report, 2.6, "abc"
    )


def test_pairs_are_written_as_for_vitess_local() -> None:
    """Without a choice it is every release, the newest first."""
    assert [(pair.vitess.name, pair.mysql) for pair in matrix.parse_pairs("24.4,22.4:8.0,22:newest")] == [
        ("24.0.4", None),
        ("22.0.4", "8.0"),
        ("22.0.4", None),
    ]
    assert [pair.vitess for pair in matrix.parse_pairs("")] == list(reversed(RELEASES))
    with pytest.raises(VitessLocalError, match="18 is not among"):
        matrix.parse_pairs("18")


def test_every_integration_test_belongs_to_one_step() -> None:
    """But for those of folders that no server's version changes, and those that change the version themselves."""
    files = [file for name, step in matrix.STEPS.items() if name != "demo" for file in matrix.files_of(name)]
    found = {file.name for file in (matrix.ROOT / "integration_tests").glob("test_*.py")}
    expected = {f"integration_tests/{name}" for name in found - matrix.OF_NO_PAIR}

    assert found >= matrix.OF_NO_PAIR
    assert len(files) == len(set(files))
    assert {file for file in files if file.endswith(".py")} == expected


def test_a_step_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before any server is started."""
    with pytest.raises(SystemExit):
        matrix.main(["--steps", "values,nope"])
    assert "there is no step nope" in capsys.readouterr().err
