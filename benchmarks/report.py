"""Writes what was measured into docs/performance.md, and a plot beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from xml.sax.saxutils import escape

Json = dict[str, Any]

BEGIN, END = "<!-- written by make bench: begin -->", "<!-- written by make bench: end -->"

_HEADS = (
    "client",
    "wall, s",
    "first row to last, s",
    "rows/s in that time",
    "CPU-s",
    "CPU µs/row, reading",
    "peak MB",
    "wall / throw-away",
    "reading / throw-away",
)
_THROWAWAY = "throw-away client"
_COLOURS = {_THROWAWAY: "#9aa5b1", "source-vitess": "#e8743b", "Debezium": "#3b7dd8"}


def tables(scenarios: Mapping[str, Json]) -> str:
    """Returns the Markdown of all scenarios.

    Args:
        scenarios: By name: `about` (when, with what) and `results`, as `scenarios.Result.to_json` gives them.
    """
    parts = []
    for name, scenario in scenarios.items():
        parts.append(f"### `{name}`\n\n{scenario['about']}")
        parts += [f"**{result['title']}**\n\n{_table(result)}" for result in scenario["results"]]
    return "\n\n".join(parts)


def insert(page: Path, text: str) -> None:
    """Puts text between the marks of a page."""
    head, _, rest = page.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}")


def _table(result: Json) -> str:
    base = result["runs"].get(_THROWAWAY)
    lines: list[tuple[str, ...]] = []
    for client, runs in result["runs"].items():
        rows = result["rows"]
        lines.append(
            (
                client,
                _spread(runs, lambda run: run["wall"], "{:.2f}" if rows == 0 else "{:.1f}") if runs[0]["wall"] else "",
                _spread(runs, lambda run: run["reading"], "{:.2f}") if runs[0]["reading"] else "",
                f"{rows / median(run['reading'] for run in runs):,.0f}" if rows and runs[0]["reading"] else "",
                _spread(runs, lambda run: run["cpu"], "{:.1f}") if runs[0]["cpu"] else "",
                _spread(runs, lambda run: run["per_row"], "{:.1f}" if runs[0]["wall"] else "{:.2f}")
                if runs[0]["per_row"]
                else "",
                _spread(runs, lambda run: run["peak"], "{:.0f}") if runs[0]["peak"] else "",
                *(_ratio(runs, base, key) for key in ("wall", "reading")),
            )
        )
    # Columns in which no client has anything show nothing.
    shown = [at for at in range(len(_HEADS)) if any(line[at] for line in lines)]
    rule = ["---"] + ["---:"] * (len(shown) - 1)
    table = [[_HEADS[at] for at in shown], rule, *([line[at] for at in shown] for line in lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in table)


def _spread(runs: Sequence[Json], value: Callable[[Json], float], form: str) -> str:
    values = [value(run) for run in runs]
    middle, low, high = (form.format(number) for number in (median(values), min(values), max(values)))
    return f"{middle} ({low}–{high})" if low != high else middle  # noqa: RUF001 - a range


def _ratio(runs: Sequence[Json], base: Sequence[Json] | None, key: str) -> str:
    """The median of the ratios within each run: what a neighbour on the machine does, it does to both."""
    if base is None or base is runs or not all(run[key] for run in base):
        return ""
    return f"{median(run[key] / bare[key] for run, bare in zip(runs, base, strict=True)):.2f}"


def plot(scenarios: Mapping[str, Json]) -> str:
    """Returns an SVG: rows per second from the first row to the last, by client, where clients are compared."""
    results = [
        result
        for scenario in scenarios.values()
        for result in scenario["results"]
        if result["rows"] and _THROWAWAY in result["runs"]
    ]
    bars = [
        (result["title"], client, result["rows"] / median(run["reading"] for run in runs) / 1000)
        for result in results
        for client, runs in result["runs"].items()
        if client in _COLOURS
    ]
    longest = max((thousands for _, _, thousands in bars), default=1.0)
    y, last, drawn = 10, "", []
    for title, client, thousands in bars:
        if title != last:
            y += 26
            drawn.append(f'<text x="10" y="{y}" font-weight="bold">{escape(title)}</text>')
            last = title
        y += 20
        width = max(thousands / longest * 440, 1)
        drawn += [
            f'<text x="140" y="{y}" text-anchor="end">{escape(client)}</text>',
            f'<rect x="150" y="{y - 12}" width="{width:.0f}" height="15" fill="{_COLOURS[client]}"/>',
            f'<text x="{156 + width:.0f}" y="{y}">{thousands:,.1f}</text>',
        ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="680" height="{y + 40}" font-family="sans-serif" '
        f'font-size="13">\n<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="10" y="18">thousand rows per second, from the first row to the last (medians)</text>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )
