"""Whatever of this repository a page, a docstring or a comment names exists where it is named."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "source_vitess",
    "destination_readyset/destination_readyset",
    "vitess-local/vitess_local",
    "vitess_spark/vitess_spark",
)

#: What looks like a path or a module of this repository, and is none: a file of Vitess', attributes, a file of MySQL's.
FOREIGN = {"proto/binlogdata.proto", "vstream.requests", "mysql.statements", "mysql.sock"}

_PATH = re.compile(r"(?<![\w./<*~-])[\w.-]+(?:/[\w.-]+)*/?(?![\w/*<{(-])")
#: A file's name alone, which is looked for in all folders.
_NAME = re.compile(r"(?<![\w./<*~-])\w+\.(?:py|c|md)\b(?![\w/*<{(.])")
_ENDING = re.compile(r"\.(?:py|c|md|toml|sh|ya?ml|json|txt|sql|proto|so)$|/$")
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)(?:#[^)\s]*)?\)")
_MODULE = re.compile(
    r"`((?:[a-z_]\w*\.)+\w+)`|\b((?:source_vitess|instruments|unit_tests|integration_tests)(?:\.\w+)+)"
)


@lru_cache
def _tracked() -> frozenset[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    return frozenset(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


@lru_cache
def _folders() -> frozenset[str]:
    return frozenset(parent.as_posix() for name in _tracked() for parent in Path(name).parents)


@lru_cache
def _tops() -> frozenset[str]:
    """Returns the folders that a path of this repository can begin with: at its top, or in a package."""
    homes = ("", *(f"{package}/" for package in PACKAGES))
    return frozenset(
        name.removeprefix(home).partition("/")[0] for home in homes for name in _folders() if name.startswith(home)
    ) - {"", "."}


@lru_cache
def _names() -> frozenset[str]:
    return frozenset(Path(name).name for name in _tracked())


def _exists(path: str, file: str) -> bool:
    homes = (Path(), *map(Path, PACKAGES), *Path(file).parents)
    return any((home / path).as_posix() in _tracked() | _folders() for home in homes)


def _module_exists(name: str) -> bool:
    """Whether a dotted name is a module, or what a module defines."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        for home in ("", *(f"{Path(package).parent.as_posix()}/" for package in PACKAGES), "source_vitess/"):
            path = Path(home, *parts[:length])
            for file in (path.with_suffix(".py"), path / "__init__.py"):
                if file.as_posix() in _tracked():
                    rest = parts[length:]
                    return not rest or re.search(rf"\b{rest[0]}\b", (ROOT / file).read_text()) is not None
            if path.as_posix() in _folders() and length == len(parts):
                return True
    return False


def _prose(file: str) -> Iterator[str]:
    """Yields a page, or the docstrings and comments of a module."""
    text = (ROOT / file).read_text(encoding="utf-8")
    if file.endswith(".md"):
        yield text
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def _missing(text: str, file: str) -> Iterator[str]:
    """Yields what a text of a file names and nobody finds."""
    for match in _LINK.finditer(text):
        if not (ROOT / file).parent.joinpath(match[1]).exists():
            yield match[1]
    for match in _PATH.finditer(text):
        path = match[0].rstrip(".")
        if (
            _ENDING.search(path)
            and "/" in path.rstrip("/")
            and path.partition("/")[0] in _tops()
            and not _exists(path.rstrip("/"), file)
        ):
            yield path
    yield from (match[0] for match in _NAME.finditer(text) if match[0] not in _names())
    for match in _MODULE.finditer(text):
        name = match[1] or match[2]
        if name.partition(".")[0] in _tops() and not _ENDING.search(name) and not _module_exists(name):
            yield name


@pytest.mark.parametrize("ending", [".md", ".py"])
def test_what_is_named_exists(ending: str) -> None:
    """A path, a link or a module that moved away is named nowhere any more."""
    files = [name for name in sorted(_tracked()) if name.endswith(ending) and "_pb2" not in name]
    missing = {(file, name) for file in files for text in _prose(file) for name in _missing(text, file)}

    assert sorted((file, name) for file, name in missing if name not in FOREIGN) == []
    assert len(files) > 10


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("see unit_tests/nowhere/client.py.", ["unit_tests/nowhere/client.py"]),
        ("`rows/nowhere.py` and `rows/decoder.py`", ["rows/nowhere.py"]),
        ("[a page](nowhere.md#part), [a page](state.md)", ["nowhere.md", "nowhere.md"]),
        ("`test_nowhere.py`, `test_xa.py`", ["test_nowhere.py"]),
        ("`vstream.nowhere`, `vstream.failures`", ["vstream.nowhere"]),
        ("python -m source_vitess.nowhere", ["source_vitess.nowhere"]),
        (
            "`source_vitess.errors.NoneError`, `source_vitess.errors.StallError`",
            ["source_vitess.errors.NoneError"],
        ),
        ("go/vt/vtgate/vstream_manager.go, vttablet/endtoend, https://vitess.io/docs/nowhere.md", []),
    ],
)
def test_what_does_not_exist_is_noticed(text: str, missing: list[str]) -> None:
    """Each form in which a text names something is looked up."""
    assert list(_missing(text, "docs/state.md")) == missing
