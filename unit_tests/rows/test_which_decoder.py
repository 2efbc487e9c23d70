"""Which decoder reads rows: decided in one place, by what is installed and by SOURCE_VITESS_COMPILED."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from instruments.scripted_vtgate.events import row
from source_vitess.errors import ConfigError
from source_vitess.rows import compiled


class _Decoder:
    """Stands for the one in C."""

    def __init__(self, columns: tuple[object, ...]) -> None:
        self.columns = columns


@pytest.fixture(params=["installed", "not installed", "broken"])
def found(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What importing the compiled decoder comes to."""

    def import_module(name: str) -> ModuleType:
        if request.param == "not installed":
            raise ModuleNotFoundError(name)
        if request.param == "broken":
            raise ImportError("undefined symbol: Py_Frobnicate")
        module = ModuleType(name)
        module.Decoder = _Decoder  # type: ignore[attr-defined]
        return module

    monkeypatch.setattr(compiled, "import_module", import_module)
    compiled._imported.cache_clear()  # noqa: SLF001 - what this process has found out already
    yield request.param
    compiled._imported.cache_clear()  # noqa: SLF001


def test_without_the_variable_it_is_the_compiled_one_where_it_can_be_had(
    found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to ask for the faster one; where it cannot be had, the sync goes on, and can say why."""
    monkeypatch.delenv(compiled.VARIABLE, raising=False)

    assert (
        compiled.obstacle()
        == {
            "installed": None,
            "not installed": "is not installed",
            "broken": "cannot be loaded (undefined symbol: Py_Frobnicate)",
        }[found]
    )
    assert isinstance(compiled.ordinary_decoder([], copied=False), _Decoder) == (found == "installed")


def test_0_turns_it_off(found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows are decoded in Python then, whatever is installed."""
    monkeypatch.setenv(compiled.VARIABLE, "0")

    assert compiled.obstacle() == "is turned off (SOURCE_VITESS_COMPILED=0)"
    assert not isinstance(compiled.ordinary_decoder([], copied=False), _Decoder)


def test_1_is_an_error_where_it_cannot_be_had(found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for it gets it, or learns what is wrong and what to do: never the slower one in silence."""
    monkeypatch.setenv(compiled.VARIABLE, "1")

    if found == "installed":
        assert compiled.obstacle() is None
        return
    for ask in (compiled.obstacle, lambda: compiled.ordinary_decoder([], copied=False)):
        with pytest.raises(ConfigError) as error:
            ask()
        assert "SOURCE_VITESS_COMPILED is 1, but the compiled decoder" in error.value.message
        assert "Install source-vitess from a wheel" in error.value.message


@pytest.mark.parametrize("value", ["yes", "true", "2", " 1"])
def test_another_value_is_an_error(found: str, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A word that means nothing here is not taken for one of the others."""
    monkeypatch.setenv(compiled.VARIABLE, value)

    with pytest.raises(ConfigError, match="has to be 0 or 1"):
        compiled.obstacle()


def test_in_its_place_python_has_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the place of the compiled decoder takes no event."""
    monkeypatch.setenv(compiled.VARIABLE, "0")
    members: list[bytes] = []

    event = row("t", after=(b"1",)).SerializeToString()

    assert compiled.ordinary_decoder([], copied=False).append([event], 0, b"t", b"-80", 1, members, []) == 0
    assert members == []
