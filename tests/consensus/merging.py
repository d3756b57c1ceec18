"""What several Readies of one Replica say together, for tests that give it several inputs at once."""

from collections.abc import Sequence

from consensus.ready import Ready


def merge(readies: Sequence[Ready]) -> Ready:
    """One Ready for several of the same Replica, in their order: all of `persist` goes before all of `send`.

    The last `wake_at_ms` holds, the first `halt`, the highest `behind`.
    """
    behind = [ready.behind for ready in readies if ready.behind is not None]
    halts = [ready.halt for ready in readies if ready.halt is not None]
    return Ready(
        persist=tuple(record for ready in readies for record in ready.persist),
        send=tuple(outbound for ready in readies for outbound in ready.send),
        fetch=tuple(fetch for ready in readies for fetch in ready.fetch),
        decided=tuple(slot for ready in readies for slot in ready.decided),
        certified=tuple(certificate for ready in readies for certificate in ready.certified),
        left=tuple(one for ready in readies for one in ready.left),
        evidence=tuple(evidence for ready in readies for evidence in ready.evidence),
        rejections=tuple(rejection for ready in readies for rejection in ready.rejections),
        behind=max(behind, key=lambda item: item.height, default=None),
        halt=halts[0] if halts else None,
        relay=tuple(relay for ready in readies for relay in ready.relay),
        wake_at_ms=readies[-1].wake_at_ms if readies else None,
    )
