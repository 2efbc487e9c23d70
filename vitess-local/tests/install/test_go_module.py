"""What `go.mod` pins."""

import pytest

from vitess_local.errors import VitessLocalError
from vitess_local.install.go_module import (
    module_file,
    parse_go_version,
    pinned_version,
    read_go_mod,
    release_name,
    required_go,
)


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
    assert version == parse_go_version(text)


def test_go_is_required_in_the_version_of_go_mod() -> None:
    """The one place that says which Go is needed."""
    assert required_go("module x\n\ngo 1.26.2\n") == (1, 26, 2)
    with pytest.raises(VitessLocalError, match="no `go` line"):
        required_go("module x\n")


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
    assert pinned_version(read_go_mod()).startswith("v0.")
    assert "vitess.io/vitess" in module_file("go.sum").read_text(encoding="utf-8")
