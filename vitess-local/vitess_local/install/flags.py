"""How a release spells the flags of its programs.

Up to v22 most flags have underscores, and some dashes; from v23 on all have dashes. This package, and whoever gives it
flags for a server, writes them with dashes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path

_FILE = "flags.json"
_FLAG = re.compile(r"^\s+(?:-\w, )?--(?P<name>[\w-]+)", re.MULTILINE)

Flags = Mapping[str, Collection[str]]


def documented(source: Path, programs: Iterable[str]) -> Flags:
    """Return the flags of programs by what Vitess' own tests expect their `--help` to print."""
    folder = source / "go" / "flags" / "endtoend"
    return {
        program: sorted(set(_FLAG.findall((folder / f"{program}.txt").read_text(encoding="utf-8"))))
        for program in programs
    }


def save(vitess_root: Path, flags: Flags) -> None:
    """Keep the flags beside the programs."""
    (vitess_root / _FILE).write_text(json.dumps(flags, indent=1) + "\n", encoding="utf-8")


@cache
def load(vitess_root: Path) -> Flags:
    """Return the flags that were kept; none for programs that something else has built."""
    file = vitess_root / _FILE
    found: Flags = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def spell(known: Collection[str], words: Iterable[str], *, optional: Collection[str] = ()) -> list[str]:
    """Return a command's words as a program spells them.

    Args:
        known: The program's flags; empty if they are not known, and the words stay as they are.
        words: Flags with dashes, each with its value, as in `--grpc-port=1`.
        optional: Flags that are left out where the program does not have them.
    """
    by_dashes = {name.replace("_", "-"): name for name in known}
    spelled = []
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if known and name in optional and name not in by_dashes:
            continue
        is_flag = word.startswith("--") and name in by_dashes
        spelled.append(f"--{by_dashes[name]}{equals}{value}" if is_flag else word)
    return spelled
