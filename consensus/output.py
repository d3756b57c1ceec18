"""What one input brings about, gathered until it leaves as a Ready."""

from dataclasses import dataclass, field

from consensus.messages import CommitCertificate, Message, QuorumCertificate
from consensus.ready import Behind, Decided, Evidence, Fetch, Halt, Outbound, Ready, Record, Rejection, Relay


@dataclass(slots=True)
class Output:
    persist: list[Record] = field(default_factory=list)
    send: list[Outbound] = field(default_factory=list)
    fetch: list[Fetch] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    certified: list[QuorumCertificate] = field(default_factory=list)
    left: list[CommitCertificate] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    relay: list[Relay] = field(default_factory=list)
    behind: Behind | None = None
    halt: Halt | None = None

    def reject(self, rule: str, message: Message, detail: str = "") -> None:
        self.rejections.append(Rejection(rule, message.replica, detail))

    def accuse(self, first: Message, second: Message) -> None:
        """Both messages carry the same key's signature and cannot both be honest; the first one counts."""
        self.evidence.append(Evidence(first, second))
        self.reject("equivocation", second)

    def ready(self, wake_at_ms: int | None) -> Ready:
        return Ready(
            persist=tuple(self.persist),
            send=tuple(self.send),
            fetch=tuple(self.fetch),
            decided=tuple(self.decided),
            certified=tuple(self.certified),
            left=tuple(self.left),
            evidence=tuple(self.evidence),
            rejections=tuple(self.rejections),
            behind=self.behind,
            halt=self.halt,
            relay=tuple(self.relay),
            wake_at_ms=wake_at_ms,
        )
