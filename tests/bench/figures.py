"""Results made by hand."""

from collections.abc import Sequence

from bench.curves import Point
from bench.results import VERSION, Config, Figure, Results
from bench.spread import spread

CONFIG: Config = {"python": "CPython 3.11.7", "cores": 2}


def figure(
    name: str, rounds_ns: Sequence[float], floor: str | None = None, floor_ns: Sequence[float] = ()
) -> Figure:
    ratios = tuple(own / base for own, base in zip(rounds_ns, floor_ns, strict=True)) if floor else ()
    return Figure(
        suite="suite",
        group="group",
        name=name,
        title="a group",
        unit="thing",
        clock="cpu",
        floor=floor,
        per_unit_ns=spread(rounds_ns),
        ratio=spread(ratios) if ratios else None,
        wall_ns=tuple(rounds_ns),
        cpu_ns=tuple(rounds_ns),
        ratios=ratios,
    )


def results(*figures: Figure, config: Config = CONFIG) -> Results:
    return Results(VERSION, "2025-11-24T08:00:00+00:00", 1.5, config, figures)


def around(center: float, spread_part: float = 0.02, count: int = 15) -> list[float]:
    """`count` values within `spread_part` on both sides of `center`."""
    return [center * (1 + spread_part * (2 * at / (count - 1) - 1)) for at in range(count)]


def point(offered: float, goodput: float, **others: float) -> Point:
    """A point of a sweep; CPU and latencies are made up unless named."""
    fields: dict[str, float] = {
        "offered_per_s": offered, "goodput_per_s": goodput, "committed": int(goodput), "busy": 0,
        "refused": 0, "late": 0, "p50_ms": 5.0, "p95_ms": 7.0, "p99_ms": 9.0, "max_ms": 10.0,
        "busy_p50_ms": 0.0,
        "measured_s": 1.0, "cpu_s": 1.0, "generator_cpu_s": 0.1, "generator_lag_ms": 1.0,
    }  # fmt: skip
    return Point(**{**fields, **others})  # type: ignore[arg-type]
