"""What happens to the chain folder between two runs: a snapshot is put in place, damage is moved aside.

Both end in the same way: everything is closed, the folder is changed, and the node is opened as at any start.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from structlog.stdlib import BoundLogger

from chainnode.node.clock import now
from chainnode.node.config import NodeConfig
from chainnode.node.engine import decode_records
from chainnode.node.logs import node_logger
from chainnode.store.chain import ChainStore
from chainnode.store.errors import DamagedError
from chainnode.store.swap import (
    CHAIN,
    MAX_ASIDE,
    clear_replaced,
    damaged_asides,
    move_aside,
    put_in_place,
    whole_incoming,
)
from chainnode.store.votelog import VoteLog
from consensus.codec import encode
from consensus.messages import QuorumCertificate
from consensus.ready import StableRecord


def settle_chain_folder(folder: Path, chain_id: bytes) -> int | None:
    """Before the store is opened: put a snapshot that was gathered whole in place; its height, None where
    there is none.

    The vote log has the certificate before the chain folder does, as in catch-up: a chain that knows more
    than the log would be taken for a log that was lost. A crash at any point is gone over again at the next
    start. Raises OperatorError.
    """
    certificate = whole_incoming(folder, chain_id)
    if certificate is None:
        clear_replaced(folder)
        return None
    _log_certificate(folder, chain_id, certificate)
    put_in_place(folder)
    clear_replaced(folder)
    return certificate.height


def _log_certificate(folder: Path, chain_id: bytes, certificate: QuorumCertificate) -> None:
    votes, raw, _ = VoteLog.open(folder / "votes", chain_id, must_exist=_had_blocks(folder, chain_id))
    try:
        known = [one.certificate.height for one in decode_records(raw) if isinstance(one, StableRecord)]
        if max(known, default=0) < certificate.height:
            votes.append([encode(StableRecord(certificate))])
            votes.sync()
    finally:
        votes.close()


def _had_blocks(folder: Path, chain_id: bytes) -> bool:
    """Whether the chain that is to be replaced has executed blocks: then there must be a vote log."""
    if not (folder / CHAIN).is_dir():
        return False
    try:
        store = ChainStore(folder, chain_id)
    except DamagedError:
        return True
    try:
        tip = store.tip()
        return tip is not None and tip.height > 0
    finally:
        store.close()


def run_until_ended(config: NodeConfig, once: Callable[[], bool]) -> None:
    """Run `once` again as long as it says that the node is to be opened anew, and after a damaged chain
    folder was moved aside. Raises what `once` raises otherwise."""
    while True:
        try:
            if not once():
                return
        except DamagedError as error:
            if not _is_moved_aside(config, error, node_logger(config.log)):
                raise


def _is_moved_aside(config: NodeConfig, error: DamagedError, log: BoundLogger) -> bool:
    """Resync instead of repair: votes, keys, local rows and the pool stay as they are."""
    if not config.chain.resync or error.path != config.store_folder / CHAIN:
        return False
    stamp = datetime.fromtimestamp(now().wall_ms / 1_000, UTC).strftime("%Y%m%dT%H%M%S%fZ")
    aside = move_aside(config.store_folder, stamp)
    if aside is None:
        log.error(
            "chain damaged again: the disk should be replaced",
            asides=[str(path) for path in damaged_asides(config.store_folder)],
            at_most=MAX_ASIDE,
        )
        return False
    log.error(
        "chain damaged: moved aside and fetched anew",
        damage=error.what,
        aside=str(aside),
        kept="votes, keys, local rows and pool; it votes again when that is safe",
    )
    return True


def aside_alarm(folder: Path) -> str:
    """For `status`, as long as a damaged chain stands aside; empty where none does."""
    asides = damaged_asides(folder)
    if not asides:
        return ""
    return (
        f"a damaged chain was moved aside to {asides[-1]} and the chain fetched anew: look at the disk, then "
        f"delete it"
    )
