"""An Airbyte source connector for Vitess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from source_vitess.source import SourceVitess

__all__ = ["SourceVitess"]


def __getattr__(name: str) -> Any:
    # Importing it imports the CDK, which takes seconds; who wants no class of the CDK does not pay for it.
    if name == "SourceVitess":
        from source_vitess.source import SourceVitess

        return SourceVitess
    raise AttributeError(name)
