"""What load over a network found: points of a sweep, and the stages of a commit."""

from msgspec import Struct


class Point(Struct, frozen=True, forbid_unknown_fields=True):
    """What a load met. Goodput: transactions whose certified success was told within the measured time,
    per second. Latencies in milliseconds, of the transactions due in that time; `late` had no outcome when
    the waiting ended. `cpu_s`: of the system's processes in that time; `generator_cpu_s`: the load's."""

    offered_per_s: float
    goodput_per_s: float
    committed: int
    busy: int
    refused: int
    late: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    busy_p50_ms: float
    measured_s: float
    cpu_s: float
    generator_cpu_s: float
    generator_lag_ms: float

    @property
    def generator_share(self) -> float:
        """Of all CPU time that was spent on the run."""
        return self.generator_cpu_s / max(self.cpu_s + self.generator_cpu_s, 1e-9)

    @property
    def wall_ns(self) -> float:
        """Nanoseconds from one committed transaction to the next."""
        return 1e9 / max(self.goodput_per_s, 1e-3)

    @property
    def cpu_ns(self) -> float:
        """CPU time of all replicas for each committed transaction."""
        return self.cpu_s * 1e9 / max(self.goodput_per_s * self.measured_s, 1e-3)


class Sweep(Struct, frozen=True, forbid_unknown_fields=True):
    """A system under rising load."""

    suite: str
    system: str
    title: str
    points: tuple[Point, ...]

    @property
    def peak_per_s(self) -> float:
        return max(point.goodput_per_s for point in self.points)

    @property
    def knee_per_s(self) -> float:
        """The highest rate of which CARRIED came through in time, or the peak where that is higher: on a busy
        machine a hiccup can spoil a point far below the knee."""
        rates = [(one.offered_per_s, one.goodput_per_s) for one in self.points]
        return max(self.peak_per_s, *(rate for rate, good in rates if good >= CARRIED * rate), 0.0)


CARRIED = 0.9


class Stage(Struct, frozen=True, forbid_unknown_fields=True):
    """Milliseconds of one stage, over the transactions that went through all of them."""

    name: str
    what: str
    p50_ms: float
    p95_ms: float
    mean_ms: float


class NodeStages(Struct, frozen=True, forbid_unknown_fields=True):
    """One node over `seconds`: the stages of its own transactions, and CPU seconds by its threads."""

    seconds: float
    stages: tuple[Stage, ...]
    threads_s: dict[str, float]
