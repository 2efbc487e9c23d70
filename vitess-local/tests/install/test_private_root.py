"""How programs of a private root are started."""

from pathlib import Path

from vitess_local.install.private_root import wrapper_script


def test_a_wrapper_starts_the_program_in_its_own_place() -> None:
    """`exec` keeps the process id that the launcher has recorded."""
    script = wrapper_script(Path("/r/ld.so"), [Path("/r/lib"), Path("/r/usr/lib")], Path("/r/mysqld"))

    assert script.startswith("#!/bin/sh\n")
    assert script.splitlines()[-1] == "exec '/r/ld.so' --library-path '/r/lib:/r/usr/lib' '/r/mysqld' \"$@\""
