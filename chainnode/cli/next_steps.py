"""What to do next, as a command that works when it is pasted into the shell of whoever reads it.

A step is a whole command, or one with --help where only the reader knows what else it needs; never one
with gaps. It names the node as the command line did that failed, and its words are quoted for a shell.
What stands behind # is for people, and a shell skips it.
"""

import os
import shlex
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "CHAINNODE_HOME"
PATIENT_NOT_ENROLLED = "patient-not-enrolled"
FOREIGN_CLASS_KEY = "foreign-class-key"
ROLE_NOT_ALLOWED = "role-not-allowed"

_node: ContextVar[tuple[str, ...]] = ContextVar("node", default=())
"""The options by which the command line at hand names its node."""
_right_socket: ContextVar[str] = ContextVar("right_socket", default="")
"""Where the command line at hand names the socket of another role: the option that names the right one."""


def remember_node(home: Path | None, socket: Path | None, role: str = "") -> None:
    """From here on commands name the node as the options of this command line do.

    A home that stands in CHAINNODE_HOME is left out: it stands there for the next command too.
    """
    words: tuple[str, ...] = ()
    if home is not None and str(home) != os.environ.get(HOME_VARIABLE):
        words = ("--home", str(home))
    if socket is not None:
        words += ("--socket", str(socket))
    _node.set(words)
    right = None if socket is None or not role else socket.with_name(f"{role}.sock")
    _right_socket.set("" if right in (None, socket) else shlex.join(("--socket", str(right))))


def forget_node() -> None:
    """A new command line: no node has been named yet."""
    _node.set(())
    _right_socket.set("")


def command(*words: object, remark: str = "", node: bool = True) -> str:
    """`chainnode ...`, each word quoted; `node`: the command talks to one, so it is named."""
    shown = ["chainnode", *map(str, words)]
    if node and shown[-1] != "--help":
        shown += _node.get()
    return shlex.join(shown) + (f"  # {remark}" if remark else "")


def shell(*words: object, remark: str = "") -> str:
    """A command of the system (`ls -l FILE`), each word quoted."""
    return shlex.join(map(str, words)) + (f"  # {remark}" if remark else "")


@dataclass(frozen=True, slots=True)
class Step:
    """A command, or where `words` is empty an action in words. `node`: as in `command`."""

    words: tuple[str, ...] = ()
    remark: str = ""
    node: bool = True

    def text(self) -> str:
        return command(*self.words, remark=self.remark, node=self.node) if self.words else self.remark


def _step(line: str, remark: str = "", *, node: bool = True) -> Step:
    return Step(tuple(line.split()), remark, node)


_AGAIN = Step(remark="run the command again")
_STANDS = Step(remark="nothing: it was done before, and stands")
_RELEASE = _step("--version", "the node's machine has to run the same release", node=False)
_STATUS = _step("status")
_FILE = Step(remark="ask for the file again, and compare the genesis document's six words")
_OBJECT = Step(remark="show the object's id to the hospital that provides it: its copy is damaged or another")
_APPROVE = "request approve --help"
_SIGN = _step("consent sign --help", "by the patient's wallet")
_OBJECTS = _step("record list --objects", "shows what is anchored, and whose it is")
_REQUESTS = _step("request list", "shows the applications and who signed each")
_CARD = _step("wallet card --help", "a new card, to be enrolled anew")
_NEW = "request new --help"
_TRUSTEES = _step("trustee list")
_DEALT = _step("trustee list --help", "with the patient's handle it shows what was dealt")
_PROPOSE = Step(remark="propose the change anew, from the present members and height")

_FORM = {
    "too-large": Step(remark="ask for less at once: fewer objects, shorter texts"),
    "malformed": _RELEASE,
    "non-canonical": _RELEASE,
    "unknown-suite": _RELEASE,
    "other-chain": _step("status", "shows which network this node is in"),
    "expired-transaction": _AGAIN,
    "validity-too-long": _RELEASE,
    "bad-signature": _RELEASE,
    "bad-key": Step(remark="make the key file, or the wallet's card, anew: a key in it is damaged"),
    "bad-possession": _RELEASE,
    "row-mismatch": _RELEASE,
    "bad-row": _RELEASE,
    "duplicate": Step(remark="name each thing once"),
    "unknown-origin": _STATUS,
    "replayed": _STANDS,
    "no-equivocation": _FILE,
    "not-committed": Step(remark="nothing: the members' nodes report it themselves where it is so"),
    "bad-change": Step(remark="ask who proposed the change for its file again, and let it be signed anew"),
}
_STATE = {
    "views-not-left": _STANDS,
    "unknown-signer": _step("department list", "shows the heads' keys: is it the right key file?"),
    "not-permitted": _step("department list", "shows the heads' keys: is it the right key file?"),
    "key-in-use": Step(remark="name another key file, or one that is not there yet: a key has one role"),
    "unknown-member": _step("status", "its links show the members' ids"),
    "unknown-department": _step("department list"),
    "unknown-study": _step("study list"),
    "unknown-patient": _step("patient list", "shows the handles"),
    "unknown-class-key": _CARD,
    "unknown-object": _OBJECTS,
    "unknown-request": _step("request list"),
    "unknown-grant": _REQUESTS,
    "unknown-consent": _step("consent list --help", "shows a patient's consents and their ids"),
    "unknown-release": _REQUESTS,
    "duplicate-id": Step(remark="choose another id, or use what is there"),
    "object-claimed": _OBJECTS,
    "already-done": _STANDS,
    "registrar-not-independent": _step(
        "patient attest --help", "by a registrar that this hospital does not run", node=False
    ),
    "enrolment-not-active": _step(
        "patient list", "shows what is missing: patient attest by a registrar, patient prove by the wallet"
    ),
    "other-member": _OBJECTS,
    "not-of-signer": _OBJECTS,
    "not-in-request": _REQUESTS,
    "not-a-provider": _REQUESTS,
    "expiry-passed": _step(_NEW, "with a later --expires"),
    "limit-reached": _step("consent list --help", "shows them; consent revoke takes one back, or --all"),
    "member-removed": _step("status", "its links show who is in the network"),
    "change-out-of-turn": _PROPOSE,
    "change-expired": _PROPOSE,
    "change-pending": _step("status", "shows the height; once the change has taken effect, propose the next"),
    "change-too-soon": _PROPOSE,
    "other-validators": _PROPOSE,
    "too-few-signatures": Step(remark="let more of the present validators sign the change"),
    "wrong-role": _PROPOSE,
    "other-key": _PROPOSE,
    "feature-not-in-force": _step(
        "member propose feature --help", "by which the validators agree on it; it begins some blocks later"
    ),
    "bad-diseases": Step(remark="correct the file of diseases: docs/consent.md says what it holds"),
    "too-many-features": Step(remark="nothing: that many stand, and a feature is not taken back"),
    "too-many-members": Step(remark="let a member leave first"),
    "no-validator-left": _PROPOSE,
    "fault-tolerance-lost": _PROPOSE,
    "frame-too-small": _PROPOSE,
    "not-of-accused": _FILE,
    "no-trustees": Step(remark="nothing: in this network the patient's wallet signs for each application"),
    "unknown-trustee": _TRUSTEES,
    "trustee-not-independent": _TRUSTEES,
    "unknown-dealing": _DEALT,
    "dealing-ended": _DEALT,
    "dealing-stands": _DEALT,
    "wrong-threshold": _RELEASE,
    "not-of-class-key": Step(remark="take the wallet whose card was enrolled: this one has other class keys"),
    "epoch-not-next": _DEALT,
    "too-many-epochs": Step(remark="have the patient enrolled anew, with a card of another wallet"),
    "old-epoch": _AGAIN,
    "epoch-closed": _step("consent revoke --help", "typed again by the patient it renews the class key"),
    "block-budget": _AGAIN,
    "patient-erased": _step("record erasures", "shows it; the patient enrols anew with a new wallet"),
    "object-erased": _step(_NEW, "without the objects that record erasures names"),
    "row-erased": Step(remark="run the command again: it makes a row of its own"),
    "unknown-erasure": _step("record erasures", "shows them"),
}
_VERDICTS = {
    "request-withdrawn": _step(_NEW, "an application that was withdrawn is filed anew"),
    "application-expired": _step(_NEW, "with a later --expires"),
    "purpose-not-permitted": _step("record list", "its column policy shows what is permitted"),
    "content-not-decided": _step(_APPROVE, "with --role head and --vouch: docs/consent.md says when"),
    "revoked": _SIGN,
    "patient-denied": _SIGN,
    "patient-not-signed": _SIGN,
    "steward-denied": _step(_APPROVE, "with --role steward, at the providing hospital"),
    "steward-not-signed": _step(_APPROVE, "with --role steward, at the providing hospital"),
    "head-denied": _step(_APPROVE, "with --role head, at the providing hospital"),
    "head-not-signed": _step(_APPROVE, "with --role head, at the providing hospital"),
}
_VERIFICATION = dict.fromkeys(
    (
        "receipt-malformed",
        "receipt-not-minimal",
        "wrong-chain",
        "bad-header",
        "unknown-validators",
        "bad-certificate",
        "bad-proof",
        "missing-fact",
        "bad-transaction",
        "bad-pointer",
        "verdict-differs",
        "bad-statement",
        "bad-epochs",
        "bad-evidence",
        "bad-answer",
        "bad-audit",
    ),
    _FILE,
)
_NODE = {
    "min-height": _step("status", "shows the newest height; then run the command again"),
    "no-certificate": _step("status", "shows whether the node votes; then run the command again"),
    "no-barrier": _step("status", "shows whether the network makes blocks; then run the command again"),
    "unknown-row": Step(remark="nothing brings it back: the row was erased, or never was on this chain"),
    "unknown-block": _step("status", "shows the newest height"),
    "unknown-transaction": _step("status", "this node may be behind: give the command --min-height"),
    "pruned": Step(remark="run it at a node that keeps older blocks"),
    "observer-node": Step(remark="run it at a validator's node: name that one's --home or --socket"),
    "unknown-evidence": _step("evidence list"),
    "unknown-receipt": _REQUESTS,
    "parts-missing": _step("request list", "shows the decision; then fetch again, with a longer --wait"),
    "subject-linked": _step("patient list", "the identifiers are those of a patient that is enrolled"),
    "subject-ambiguous": _step("patient list", "the records name two patients that are enrolled"),
    ROLE_NOT_ALLOWED: Step(remark="give --home in place of --socket: the command picks the role's socket"),
    "request-malformed": _RELEASE,
    "reader-too-slow": Step(remark="run the command again and keep reading its output"),
    "uploads-busy": Step(remark="run the command again in a moment"),
}
_POOL = {
    "object-missing": _OBJECT,
    "object-exists": _AGAIN,
    "object-too-large": Step(remark="split the bundle: one subject's class stays below 64 MiB"),
    "length-mismatch": _OBJECT,
    "root-mismatch": _OBJECT,
    "hospital-half-mismatch": _OBJECT,
    "patient-half-mismatch": _OBJECT,
    "key-mismatch": _OBJECT,
    "segment-altered": _OBJECT,
    "padding-invalid": _OBJECT,
    "recipients-malformed": _OBJECT,
    "recipient-missing": _OBJECT,
    "locator-altered": _OBJECT,
}
_OWN = {
    FOREIGN_CLASS_KEY: _step("wallet card --help", "have the wallet's own card enrolled; do not prove this"),
    PATIENT_NOT_ENROLLED: _step("patient enrol --help", "with the card of the patient's wallet"),
}

NEXT_STEPS: dict[str, Step] = _FORM | _STATE | _VERDICTS | _VERIFICATION | _NODE | _POOL | _OWN
"""For every rule by which something is refused."""


def next_step(rule: str) -> str:
    """What helps where `rule` refuses. A rule of a newer node, unknown here: its status."""
    if rule == ROLE_NOT_ALLOWED and (right := _right_socket.get()):
        return f"the same command with {right}, or with --home in place of --socket"
    return NEXT_STEPS.get(rule, _STATUS).text()
