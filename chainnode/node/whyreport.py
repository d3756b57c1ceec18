"""What `status --why` and `status --can-stop` answer: plain values, as they travel to the command."""

from collections.abc import Sequence
from dataclasses import dataclass

from chainnode.node.quorum import Voter, lost_quorum


@dataclass(frozen=True, slots=True)
class PeerReport:
    """One other member as this node sees it. Ages in ms; None: it never happened, or is not known.

    `down_because`: why there is no link; `message`: its last consensus message, such as "commit 12";
    `height`: what it says is certified; `votes`: whether the height's set has it as a voter; `voting`:
    whether it says that it casts its votes; `clock_ms`: its wall clock minus this node's.
    """

    member: int
    slug: str
    up: bool
    down_because: str
    version: int
    height: int
    view: int
    votes: bool
    voting: bool | None
    message: str
    message_age_ms: int | None
    heard_age_ms: int | None
    round_trip_us: int
    clock_ms: int | None


@dataclass(frozen=True, slots=True)
class LackingReport:
    """The lowest slot without a certificate, how far it is, and which members' votes on it are not here."""

    sequence: int
    stage: str
    prepare: tuple[str, ...]
    commit: tuple[str, ...]
    block_vote: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WhyReport:
    """`timers`: name and ms left of what may end the view; `asked`: the view that each member asked for by
    VIEW-CHANGE; `passed_over`: who does not lead in the present turn; `silent_because`: why this node casts
    no vote, empty if it does; `alarms`: as in status."""

    member: int
    slug: str
    epoch: int
    view: int
    changing: bool
    primary: str
    certified: int
    executed: int
    behind: int | None
    votes: bool
    silent_because: str
    quorum: int
    window: int
    timers: tuple[tuple[str, int], ...]
    batches_here: int
    batches_waiting: int
    asked: tuple[tuple[str, int], ...]
    lacking: LackingReport | None
    alarms: tuple[str, ...]
    peers: tuple[PeerReport, ...] = ()
    passed_over: tuple[str, ...] = ()

    @property
    def quorum_lost(self) -> str:
        """As in status."""
        own = [Voter(self.slug, True, not self.silent_because, own=True)] if self.votes else []
        others = [Voter(peer.slug, peer.up, peer.voting is not False) for peer in self.peers if peer.votes]
        return lost_quorum([*own, *others], self.quorum)


@dataclass(frozen=True, slots=True)
class CanStop:
    """Whether the others go on without this node, and why, in a sentence."""

    yes: bool
    because: str


def can_stop(report: WhyReport) -> CanStop:
    """Judged by this node's own links: what the others see of each other it cannot know."""
    if not report.votes:
        return CanStop(True, f"{report.slug} does not vote at this height: the others need it for nothing")
    lost = [
        f"{peer.slug} {_fault(peer, report)}" for peer in report.peers if peer.votes and _fault(peer, report)
    ]
    able = sum(1 for peer in report.peers if peer.votes) - len(lost)
    if able >= report.quorum:
        return CanStop(
            True, f"{able} others are linked, up to date and voting, and {report.quorum} are a quorum"
        )
    reasons = f": {', '.join(lost)}" if lost else ""
    return CanStop(
        False, f"without {report.slug} only {able} members would vote and {report.quorum} are needed{reasons}"
    )


def _fault(peer: PeerReport, report: WhyReport) -> str:
    """Why a peer would be no help, empty where it would be."""
    if not peer.up:
        return "is not linked"
    if peer.height + report.window < report.certified:
        return f"is {report.certified - peer.height} blocks behind"
    if peer.voting is False:
        return "does not vote"
    return ""


def slugs(numbers: Sequence[int], names: dict[int, str]) -> tuple[str, ...]:
    """Ids of members, or their numbers where one is not known."""
    return tuple(names.get(number, str(number)) for number in numbers)
