"""Flags as a release spells them."""

from pathlib import Path

from vitess_local.install.flags import documented, load, save, spell

HELP = """\
Usage:
  vtgate [flags]

Flags:
      --alsologtostderr                   log to standard error as well as files
      --grpc_port int                     Port to listen on for gRPC calls
      --queryserver-enable-views          Enable views support
  -v, --version                           print binary version
      --topo_global_root string           the path of the global topology data, see --not-a-flag
"""


def documentation(folder: Path, *programs: str) -> Path:
    """Write what a release's own tests expect its programs to print."""
    target = folder / "go" / "flags" / "endtoend"
    target.mkdir(parents=True)
    for program in programs:
        (target / f"{program}.txt").write_text(HELP)
    return folder


def test_flags_are_those_of_the_help(tmp_path: Path) -> None:
    """Each is named once at the start of a line; a flag that a text mentions is none."""
    flags = documented(documentation(tmp_path, "vtgate"), ["vtgate"])

    assert flags == {
        "vtgate": ["alsologtostderr", "grpc_port", "queryserver-enable-views", "topo_global_root", "version"]
    }


def test_they_are_kept_beside_the_programs(tmp_path: Path) -> None:
    """A cluster starts servers long after they were built; a folder without them knows none."""
    (tmp_path / "other").mkdir()
    save(tmp_path, {"vtgate": ["grpc_port"]})

    assert load(tmp_path) == {"vtgate": ["grpc_port"]}
    assert load(tmp_path / "other") == {}


def test_words_are_spelled_as_the_program_knows_them() -> None:
    """Values, words that are no flags, and flags that nobody knows stay as they are."""
    known = ["grpc_port", "queryserver-enable-views"]
    words = ["--grpc-port=1", "--queryserver-enable-views", "--new-one=a-b", "GetKeyspace", "--log-format=text"]

    assert spell(known, words, optional=["log-format"]) == [
        "--grpc_port=1",
        "--queryserver-enable-views",
        "--new-one=a-b",
        "GetKeyspace",
    ]
    assert spell([], words, optional=["log-format"]) == words
