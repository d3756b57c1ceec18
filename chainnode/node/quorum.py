"""Whether enough members vote, in words: a member counts that is linked and says that it casts its votes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainnode.net.port import Transport
from chainnode.node.peers import Peers
from consensus.replica import Replica
from consensus.types import ReplicaId, ReplicaSet


@dataclass(frozen=True, slots=True)
class Voter:
    """A member that has a vote at this height. `voting`: it casts it, as far as is known here; a peer that
    speaks version 1 does not tell, and counts. `own`: this node, which is linked to itself."""

    slug: str
    linked: bool
    voting: bool
    own: bool = False


def lost_quorum(voters: Sequence[Voter], quorum: int) -> str:
    """The sentence that nothing can be committed, empty where it can. What the others see of each other this
    node cannot know."""
    linked, silent = [one for one in voters if one.linked], _silent(voters)
    here = " (this one included)" if any(one.own for one in voters) else ""
    missing = quorum - len(linked)
    if missing > 0:
        return (
            f"quorum lost: {len(linked)} of {len(voters)} members linked{here}, {quorum} needed; "
            f"nothing can be committed until {missing} more {'is' if missing == 1 else 'are'} back"
        )
    able = len(linked) - len(silent)
    if able >= quorum:
        return ""
    away = [one.slug for one in voters if not one.linked]
    down = f", {_and(away)} {'is' if len(away) == 1 else 'are'} not linked" if away else ""
    return (
        f"quorum lost: {able} of {len(voters)} members vote, {quorum} are needed: "
        f"{_follow(silent)}{down}; nothing can be committed, and no height is reached, until "
        f"{quorum - able} more {'votes' if quorum - able == 1 else 'vote'}"
    )


def on_hold(voters: Sequence[Voter], quorum: int) -> str:
    """The alarm that members are linked and may not vote yet, and how many may fail meanwhile; empty where
    there is none. Without a quorum of links nobody votes, for nobody has heard yet what it said before."""
    silent = _silent(voters)
    if not silent or sum(one.linked for one in voters) < quorum:
        return ""
    able = sum(one.linked for one in voters) - len(silent)
    spare = able - quorum
    if spare < 0:
        left = "too few to commit anything"
    elif spare == 0:
        left = "none of which may fail or stop"
    else:
        left = f"{spare} of which may fail or stop"
    return (
        f"{_follow(silent)}: {able} of {len(voters)} members vote and {quorum} are needed, {left}; "
        f"restore, resync or re-image no other member before {_and(silent)} "
        f"{'votes' if len(silent) == 1 else 'vote'} again"
    )


def _silent(voters: Sequence[Voter]) -> list[str]:
    return [one.slug for one in voters if one.linked and not one.voting]


def _follow(silent: Sequence[str]) -> str:
    one = len(silent) == 1
    return (
        f"{_and(silent)} {'follows' if one else 'follow'} without voting "
        f"(status of {'it' if one else 'each'} says until which height)"
    )


def _and(who: Sequence[str]) -> str:
    return who[0] if len(who) == 1 else f"{', '.join(who[:-1])} and {who[-1]}"


class Quorum:
    """The same of the running node, from its links and its peers' pulses."""

    def __init__(
        self,
        *,
        member: ReplicaId,
        names: Callable[[], dict[int, str]],
        members: Callable[[], ReplicaSet],
        replica: Replica,
        transport: Transport,
        peers: Peers,
    ) -> None:
        """`names`: id of each member by its number; `members`: who votes on the next height."""
        self._member = member
        self._names = names
        self._members = members
        self._replica = replica
        self._transport = transport
        self._peers = peers

    def lost(self) -> str:
        return lost_quorum(self._voters(), self._members().quorum)

    def alarm(self) -> str:
        return on_hold(self._voters(), self._members().quorum)

    def _voters(self) -> list[Voter]:
        links, names = self._transport.links(), self._names()
        voters = []
        for one in self._members().ids:
            own = one == self._member
            voting = self._replica.status().voting if own else self._peers.of(one).voting is not False
            linked = own or (one in links and links[one].up)
            voters.append(Voter(names.get(one, str(one)), linked, voting, own))
        return voters
