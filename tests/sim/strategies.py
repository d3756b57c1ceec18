"""Ways to be faulty, by name."""

from tests.sim.byzantine import (
    Equivocator,
    Forger,
    Forgetful,
    Hasty,
    Liar,
    Mutator,
    Mute,
    Selective,
    SilentPrimary,
    SlowPrimary,
    Spoiler,
    Strategy,
    Twins,
    Withholder,
)
from tests.sim.turncoat import Turncoat

STRATEGIES: tuple[type[Strategy], ...] = (
    Mute,
    SilentPrimary,
    SlowPrimary,
    Equivocator,
    Twins,
    Forger,
    Forgetful,
    Hasty,
    Withholder,
    Spoiler,
    Liar,
    Mutator,
    Selective,
)
BY_NAME = {strategy.name: strategy for strategy in (*STRATEGIES, Turncoat)}
"""The turncoat comes in plans that are made for it (scenario.py)."""
