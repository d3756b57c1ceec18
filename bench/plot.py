"""Draws the charts that come as JSON on standard input. Run by bench/drawing.py; imports nothing of ours."""

# mypy: disable-error-code="import-not-found"

import json
import sys
from typing import Any

from matplotlib.figure import Figure

INCHES = (9.0, 5.5)
BAR_INCHES = 0.3
DOTS_PER_INCH = 120
FORMATS = ("png", "svg")


def _lines(axes: Any, chart: dict[str, Any]) -> None:
    for one in chart["series"]:
        axes.plot(one["x"], one["y"], marker="o", markersize=4, label=one["name"])
    axes.legend()


def _bars(axes: Any, chart: dict[str, Any]) -> None:
    for one in chart["series"]:
        errors = None
        if one["low"]:
            errors = [
                [max(0.0, y - low) for y, low in zip(one["y"], one["low"], strict=True)],
                [max(0.0, high - y) for y, high in zip(one["y"], one["high"], strict=True)],
            ]
        axes.barh(one["x"], one["y"], xerr=errors, color="#4878a8", ecolor="#303030", capsize=2)
        for x, y in zip(one["x"], one["y"], strict=True):
            axes.annotate(f" {y:.3g}", (y, x), va="bottom", fontsize=7)
    axes.set_yticks(range(len(chart["labels"])), chart["labels"], fontsize=8)
    axes.invert_yaxis()


def _draw(chart: dict[str, Any], stem: str) -> None:
    height = max(INCHES[1], BAR_INCHES * len(chart["labels"]) + 1.5)
    figure = Figure(figsize=(INCHES[0], height), layout="constrained")
    axes = figure.subplots()
    (_lines if chart["kind"] == "lines" else _bars)(axes, chart)
    if chart["log_x"]:
        axes.set_xscale("log")
    if chart["log_y"]:
        axes.set_yscale("log")
    if chart["mark"] is not None:
        axes.axvline(chart["mark"], color="#a03030", linewidth=1)
    axes.set_title(chart["title"], fontsize=10)
    axes.set_xlabel(chart["x_label"])
    axes.set_ylabel(chart["y_label"])
    axes.grid(True, which="both", alpha=0.25)
    for form in FORMATS:
        path = f"{stem}-{chart['file']}.{form}"
        figure.savefig(path, dpi=DOTS_PER_INCH)
        sys.stdout.write(f"drawn: {path}\n")


def main() -> None:
    request = json.load(sys.stdin)
    for chart in request["charts"]:
        _draw(chart, request["stem"])


if __name__ == "__main__":
    main()
