"""Which releases of Vitess and MySQL can be had, and which are meant."""

import pytest

from vitess_local.errors import VitessLocalError
from vitess_local.install.maven_mysql import artifact_of
from vitess_local.install.pair import MYSQL_VARIABLE, VITESS_VARIABLE, Pair
from vitess_local.install.releases import DEFAULT, RELEASES, find_release, more_flags


@pytest.fixture(autouse=True)
def no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take what the tests' own environment chooses away."""
    monkeypatch.delenv(VITESS_VARIABLE, raising=False)
    monkeypatch.delenv(MYSQL_VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("version", "name"),
    [("22.0.4", "22.0.4"), ("22.4", "22.0.4"), ("v22.0.4", "22.0.4"), ("22", "22.0.4"), ("24", "24.0.4")],
)
def test_a_release_is_found_by_each_form_of_its_version(version: str, name: str) -> None:
    """Vitess' own, without the zero that they all have, or the major one alone for the newest patch."""
    assert find_release(version).name == name


@pytest.mark.parametrize("version", ["18", "22.9", "main", ""])
def test_another_release_is_refused_with_the_known_ones(version: str) -> None:
    """Nothing is built that is not pinned."""
    with pytest.raises(VitessLocalError, match=r"19\.0\.9.*24\.0\.4"):
        find_release(version)


def test_module_versions_are_those_of_vitess_with_a_zero_in_front() -> None:
    """Vitess 22.0.4 is the module's v0.22.4."""
    assert find_release("22.0.4").module_version == "v0.22.4"


def test_the_table_is_in_order_and_pins_each_release() -> None:
    """`find_release` takes the last one of a major version."""
    ordered = [(release.major, release.patch) for release in RELEASES]

    assert ordered == sorted(ordered)
    assert len({release.checksum for release in RELEASES}) == len(RELEASES)
    assert all(release.checksum.startswith("h1:") for release in RELEASES)


def test_flags_that_newer_releases_do_not_need() -> None:
    """They are told by the version that a cluster was started with; one that is gone from the table needs none."""
    assert more_flags("21.0.6", "vtgate") == ("--enable-views",)
    assert more_flags("21.0.6", "vttablet") == ()
    assert more_flags("24.0.0", "vtgate") == ()
    assert more_flags("17.0.0", "vtgate") == ()


def test_old_releases_get_the_mysql_that_they_know() -> None:
    """Unless somebody asks for another one."""
    assert Pair.of() == Pair(find_release(DEFAULT), None)
    assert Pair.of("19.9").mysql == "8.0"
    assert Pair.of("22.4", "newest").mysql is None
    assert Pair.of("24.4", "8.0").mysql == "8.0"


def test_the_environment_chooses_for_whoever_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that tests can be run on another pair as they are."""
    monkeypatch.setenv(VITESS_VARIABLE, "21")
    assert Pair.of() == Pair(find_release("21.6"), "8.0")
    assert Pair.of("23.3").vitess.major == 23

    monkeypatch.setenv(MYSQL_VARIABLE, "newest")
    assert Pair.of().mysql is None


def test_what_is_no_version_of_mysql_is_refused() -> None:
    """Before anything is built."""
    with pytest.raises(VitessLocalError, match="eight is no version of MySQL"):
        Pair.of("22", "eight")


def test_an_older_mysql_is_found_by_its_series() -> None:
    """What cannot be had is said in one sentence, with what can."""
    assert artifact_of("8.0").version == "8.0.31"
    assert artifact_of("8.0.31").version == "8.0.31"
    for version in ("8.4", "5.7", "8.0.3"):
        with pytest.raises(VitessLocalError, match=rf"MySQL {version} cannot be fetched.* 8\.0\.31 can"):
            artifact_of(version)
