"""What releases of Vitess do differently."""

from __future__ import annotations

import pytest

from source_vitess.vitess_release import VitessRelease


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("19.0.9", True),
        ("21.0.6", True),
        ("22.0.2", True),
        ("22.0.3", False),
        ("23.0.0", True),
        ("23.0.1", False),
        ("24.0.0", False),
        ("25.0.0-rc1", False),
        ("", False),
    ],
)
def test_the_length_before_a_binary_value(version: str, expected: bool) -> None:
    """Each major version got the mend in a release of its own; a server that does not tell its version is a new one."""
    assert VitessRelease(version).puts_length_in_binary_json is expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("19.0.9", True),
        ("20.0.0", False),
        ("22.0.4", False),
        ("23.0.5", False),
        ("23.0.6", True),
        ("24.0.2", False),
        ("24.0.3", True),
        ("25.0.0", True),
        ("", True),
    ],
)
def test_the_64th_member(version: str, expected: bool) -> None:
    """Up to v19 changes have all 64 bits; v20 to v22 never send the last one."""
    assert VitessRelease(version).sends_all_of_64_members is expected


@pytest.mark.parametrize(("version", "expected"), [("18.0.2", False), ("19.0.0", True), ("24.0.4", True), ("", True)])
def test_the_oldest_that_is_supported(version: str, expected: bool) -> None:
    """What was run on real servers; the first note says it of an older one that is read all the same."""
    release = VitessRelease(version)

    assert release.is_supported is expected
    assert any("allow_unsupported_vitess" in note for note in release.notes()) is not expected


def test_a_new_release_needs_no_word() -> None:
    """Nothing is different there."""
    assert list(VitessRelease("24.0.4").notes()) == []
