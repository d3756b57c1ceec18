"""Plots of a run beside its JSON file, drawn by bench/plot.py in an environment of its own.

matplotlib is nothing that a node needs: `make plots` puts it below the environment, where it cannot change
what is measured.
"""

import subprocess
import sys
from pathlib import Path

import msgspec

from bench.charts import charts
from bench.results import Results

PLOT_PYTHON = Path(sys.prefix) / "plots" / "bin" / "python"
PROGRAM = Path(__file__).resolve().parent / "plot.py"
DRAW_SECONDS = 120


def draw(results: Results, stem: Path, *, python: Path = PLOT_PYTHON) -> list[str]:
    """Writes <stem>-<chart>.png and .svg; a line for the user about each, or why there are none."""
    if not python.is_file():
        return ["no plots: matplotlib is not here, make plots gets it"]
    request = msgspec.json.encode({"stem": str(stem), "charts": charts(results)})
    try:
        done = subprocess.run([python, PROGRAM], input=request, capture_output=True, timeout=DRAW_SECONDS)
    except subprocess.TimeoutExpired:
        return [f"no plots: not drawn within {DRAW_SECONDS} s"]
    if done.returncode:
        return [f"no plots: {done.stderr.decode(errors='replace').strip()[-500:]}"]
    return done.stdout.decode().splitlines()
