"""An Airbyte source connector for Vitess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from source_vitess.source import SourceVitess

__all__ = ["SourceVitess"]


def __getattr__(name: str) -> Any:
    # The CDK takes seconds to import; who wants a position or a type does not pay for it.
    if name == "SourceVitess":
        from source_vitess.source import SourceVitess

        return SourceVitess
    raise AttributeError(name)
