"""The parts that a Replica is made of."""

from dataclasses import dataclass

from consensus.ballot import Ballot, Setting
from consensus.batches import BatchPool
from consensus.checkpoint import Certifier
from consensus.future import FutureBox
from consensus.laggards import Laggards
from consensus.normal import Ordering
from consensus.rules import Watermarks
from consensus.suspicion import Fairness, Timers
from consensus.viewchange import ViewChanger


@dataclass(frozen=True, slots=True)
class Parts:
    """Each owns its state; they meet here, so that restore.py and status.py can see them together."""

    setting: Setting
    pool: BatchPool
    ballot: Ballot
    ordering: Ordering
    certifier: Certifier
    changer: ViewChanger
    timers: Timers
    fairness: Fairness
    future: FutureBox
    laggards: Laggards

    @classmethod
    def of(cls, setting: Setting) -> "Parts":
        """A replica's parts at genesis."""
        parameters = setting.parameters
        marks = Watermarks.above(0, parameters, setting.replica_sets)
        pool, ballot, timers = BatchPool(), Ballot(setting), Timers(parameters)
        return cls(
            setting=setting,
            pool=pool,
            ballot=ballot,
            ordering=Ordering(setting, ballot, pool, marks),
            certifier=Certifier(setting, ballot),
            changer=ViewChanger(setting, ballot),
            timers=timers,
            fairness=Fairness(parameters, pool, timers),
            future=FutureBox(),
            laggards=Laggards(parameters),
        )
