"""Errors of a running node that an operator sees."""

from genesis.errors import (
    EXIT_BUG,
    EXIT_ENVIRONMENT,
    EXIT_INPUT,
    EXIT_KEY,
    EXIT_USAGE,
    EXIT_VERIFY,
    define,
)

NOD_NOT_MEMBER = define("NOD-01", EXIT_INPUT, "the keystore's key is no member's in the genesis document")
NOD_FORK = define("NOD-02", EXIT_BUG, "this node's execution differs from what a quorum certified")
NOD_DISK_LOW = define("NOD-03", EXIT_ENVIRONMENT, "the disk's reserve is reached: nothing new is taken in")
NOD_DISK_OUT = define("NOD-04", EXIT_ENVIRONMENT, "the disk is nearly full: the node stopped cleanly")
NOD_UNREADABLE = define("NOD-05", EXIT_ENVIRONMENT, "a file that belongs into the backup cannot be read")
NOD_FOREIGN_BACKUP = define("NOD-06", EXIT_VERIFY, "the backup was signed by another key than the node's")
NOD_BAD_BACKUP = define("NOD-07", EXIT_VERIFY, "the file is no whole and unaltered backup")
NOD_HOME_TAKEN = define("NOD-08", EXIT_USAGE, "there is something where the backup is to be restored")
NOD_BACKUP_KEY = define("NOD-09", EXIT_KEY, "the passphrase does not open the backup, or one is needed")
NOD_OLD_RELEASE = define("NOD-10", EXIT_ENVIRONMENT, "the chain uses a feature that this release lacks")
NOD_OUTSIDE = define("NOD-11", EXIT_INPUT, "the backup's configuration places files outside of the new home")
NOD_NOT_TRUSTEE = define("NOD-12", EXIT_INPUT, "trustee.key_file is of no trustee that this member runs")

NODE_RULES: dict[str, str] = {
    "min-height": "The height asked for was not certified in time.",
    "no-barrier": "A strong read could not have its barrier ordered, so it was not answered.",
    "no-certificate": "What was read has no certificate yet.",
    "unknown-evidence": "This node keeps no evidence under this id.",
    "unknown-row": "The row was erased, or is of no transaction on this chain.",
    "unknown-block": "There is no certified block at this height.",
    "pruned": "This node does not keep blocks so far back (store.keep_blocks, or it joined by a snapshot).",
    "unknown-transaction": "No certified block holds this transaction.",
    "unknown-receipt": "There is no certified decision on this application at this height.",
    "parts-missing": "The parts of this object have not arrived at the requester.",
    "subject-linked": "One of the identifiers belongs to another enrolment already.",
    "subject-ambiguous": "The identifiers belong to more than one enrolment.",
}
"""Rules by which a node answers its local users, beside those of the chain and the pool."""
