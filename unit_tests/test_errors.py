"""The tree of errors shows every one, and each is defined where its readers look for it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import source_vitess
from source_vitess import errors

#: Control flow between an encoder and the decoder of rows, and no error.
CONTROL_FLOW = {"Altered"}

_LINE = re.compile(r"    (?P<branches>[│├└─ ]*)(?P<name>\w+)")


def _modules() -> Iterator[ModuleType]:
    for module in pkgutil.walk_packages(source_vitess.__path__, "source_vitess."):
        if not module.name.endswith("__main__"):
            yield importlib.import_module(module.name)


def _exceptions() -> dict[str, type[BaseException]]:
    """Returns every exception class of the package by name."""
    found: dict[str, type[BaseException]] = {}
    for module in _modules():
        for name, value in vars(module).items():
            if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == module.__name__:
                assert name not in found, f"two exceptions are called {name}"
                found[name] = value
    return found


def _tree() -> dict[str, str]:
    """Returns the base of each class as the docstring draws it, by the class' name."""
    bases: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = _LINE.match(line)
        if match is None or not re.fullmatch(r"[A-Z_]\w+", match["name"]):
            continue
        depth = len(match["branches"]) // 4
        above[depth:] = [match["name"]]
        if depth:
            bases[match["name"]] = above[depth - 1]
    return bases


def test_every_exception_stands_in_the_tree() -> None:
    """The docstring of errors.py shows each class below the class that it is derived from, and none that is no more."""
    drawn = _tree()
    exceptions = _exceptions()

    assert drawn == {
        name: error.__bases__[0].__name__
        for name, error in exceptions.items()
        if name != errors.ConnectorError.__name__
    }
    assert len(drawn) > 15


def test_an_exception_that_leaves_its_package_is_defined_in_errors() -> None:
    """Who catches an error of another package finds it in errors.py; others are known within one package only."""
    for name, error in _exceptions().items():
        if error.__module__ == errors.__name__ or name in CONTROL_FLOW:
            continue
        home = ".".join(error.__module__.split(".")[:2])
        users = [module.__name__ for module in _modules() if vars(module).get(name) is error]
        assert all(user == home or user.startswith(f"{home}.") for user in users), f"{name} is used in {users}"
