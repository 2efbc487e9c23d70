"""The private apt configuration."""

from pathlib import Path

import pytest

from vitess_local.errors import VitessLocalError
from vitess_local.install.debian_packages import (
    Origin,
    apt_options,
    choose_mirror,
    is_needed,
    parse_origins,
    source_line,
)

LISTING = """http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm contrib
http://mirror.example/debian-security/ bookworm-security main
https://third.example/linux/debian/ bookworm stable
"""


def test_origins_are_read_from_what_apt_prints() -> None:
    """There is a line per index; lines that are not of this form are no origins."""
    origins = parse_origins(LISTING + "W: some warning from apt\n\n")

    assert origins[0] == Origin("http://mirror.example/debian/", "bookworm", "main")
    assert len(origins) == 4


def test_the_mirror_is_the_one_of_the_machines_own_release() -> None:
    """Neither the security archive nor a third party has the other suites."""
    third_party_first = reversed(parse_origins(LISTING))

    assert choose_mirror(tuple(third_party_first), "bookworm") == "http://mirror.example/debian/"


def test_a_machine_on_a_rolling_suite_has_a_mirror_too() -> None:
    """Debian testing and sid may name no release in their sources."""
    origins = parse_origins("http://mirror.example/debian/ sid main\n")

    assert choose_mirror(origins, "") == "http://mirror.example/debian/"


def test_a_machine_without_a_debian_mirror_explains_what_to_do() -> None:
    """The way out is to install the servers oneself."""
    with pytest.raises(VitessLocalError, match="bookworm") as raised:
        choose_mirror((), "bookworm")

    assert "mysqld" in str(raised.value)


def test_the_source_line_names_the_keyring_if_there_is_one() -> None:
    """The packages' signatures are checked with the machine's own keys."""
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

    assert source_line("http://m/", "sid", keyring) == f"deb [signed-by={keyring}] http://m/ sid main\n"
    assert source_line("http://m/", "sid", None) == "deb http://m/ sid main\n"


def test_apt_is_kept_inside_its_folder() -> None:
    """Every folder apt would write to is ours, and unsigned packages stay refused."""
    words = apt_options(Path("/private"))
    settings = dict(word.split("=", 1) for word in words[1::2])

    assert set(words[::2]) == {"-o"}
    for name in ("Dir::State", "Dir::State::status", "Dir::Cache", "Dir::Log", "Dir::Etc::sourcelist"):
        assert settings[name].startswith("/private/")
    assert settings["Dir::Etc::sourceparts"] == "-"
    assert settings["APT::Get::AllowUnauthenticated"] == "false"


@pytest.mark.parametrize(
    ("file", "needed"),
    [
        ("mysql-server-core_9.7.4-2_amd64.deb", True),
        ("libsystemd0_262.1-1_amd64.deb", True),
        ("libsystemd-shared_262.1-1_amd64.deb", False),
        ("systemd_262.1-1_amd64.deb", False),
        ("perl-base_5.40_amd64.deb", False),
        ("gcc-16-base_16.2.0-4_amd64.deb", False),
    ],
)
def test_packages_that_no_server_loads_are_left_out(file: str, needed: bool) -> None:
    """They come as dependencies of scripts that are not used."""
    assert needed == is_needed(file)
