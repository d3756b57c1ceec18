"""Every rule by which the chain refuses something: a code for programs, a sentence for people."""

from dataclasses import dataclass

FORM_RULES: dict[str, str] = {
    "too-large": "It is longer than the protocol allows.",
    "malformed": "It does not have the form that the protocol asks for.",
    "non-canonical": "It is not in canonical encoding: the same value has a shorter or other spelling.",
    "unknown-suite": "It names a cryptographic suite that this chain does not use.",
    "other-chain": "It was made for another chain.",
    "expired-transaction": "Its last valid height has passed.",
    "validity-too-long": "Its last valid height lies further ahead than the chain allows.",
    "bad-signature": "The signature does not verify under the key that it carries.",
    "bad-key": "A key or point in it is not a valid element of the group.",
    "bad-possession": "The project's key did not sign for itself: possession is not proven.",
    "row-mismatch": "The personal rows beside it are not the ones whose digests it names.",
    "bad-row": "A personal row beside it does not have the form that its kind asks for.",
    "duplicate": "It names the same thing twice.",
    "unknown-origin": "The batch's origin is not a member.",
    "no-equivocation": "The two messages do not contradict each other, or the key named did not sign both.",
    "not-committed": "It does not show that a quorum committed the slot in that view.",
    "replayed": "This transaction was included before.",
    "bad-change": "It is no change of members of the one allowed form, or a signature in it does not hold.",
}

STATE_RULES: dict[str, str] = {
    "unknown-signer": "The signing key belongs to nobody on this chain.",
    "not-permitted": "The signing key belongs to somebody who may not do this.",
    "key-in-use": "The key has a holder already; one key has one role, once on the whole chain.",
    "unknown-member": "There is no such member.",
    "unknown-department": "There is no such department.",
    "unknown-study": "There is no such study.",
    "unknown-patient": "There is no enrolment under this handle.",
    "unknown-class-key": "The patient has no class key for this data class and epoch.",
    "unknown-object": "An object that it names was never anchored.",
    "unknown-request": "There is no such application.",
    "unknown-grant": "The signer has no decision on this application to take back.",
    "unknown-consent": "The patient has no such consent.",
    "unknown-release": "There is no authorised release at this height.",
    "duplicate-id": "The identifier is taken.",
    "object-claimed": "An object that it names is anchored already; an object has one anchor.",
    "already-done": "This was done before and stands.",
    "registrar-not-independent": "The hospital that enrols runs this registrar: nobody attests for itself.",
    "enrolment-not-active": "The enrolment lacks the registrar's attestation or the patient's proof.",
    "other-member": "An object that it names concerns a patient of another member.",
    "not-of-signer": "An object that it names is not one that the signer may speak for.",
    "not-in-request": "An object that it names is not part of the application.",
    "not-a-provider": "The member provides nothing to this release.",
    "expiry-passed": "The expiry asked for is not in the future.",
    "limit-reached": "The patient has as many standing consents as the chain keeps: revoke one first.",
    "member-removed": "The member left the network.",
    "observer-node": "This node's member does not vote: hand the transaction in at a validator's node.",
    "change-out-of-turn": "It is not the next change of members: another one was made meanwhile.",
    "change-expired": "The last height at which this change of members could be made has passed.",
    "change-pending": "A change of members waits to take effect; the next one can be made after that.",
    "change-too-soon": "The change would take effect before every validator can know of it.",
    "other-validators": "The change was signed for other validators than the present ones.",
    "too-few-signatures": "No more than half of the present validators signed the change.",
    "wrong-role": "The change does not fit the member's present role.",
    "other-key": "The change names a key, or a name, that is not the member's.",
    "views-not-left": "It shows nothing of the present turn, or of the last one, that is not known.",
    "too-many-members": "The network has as many members, or as many validators, as it may.",
    "no-validator-left": "The change would leave no validator.",
    "fault-tolerance-lost": "Fewer faulty members would be tolerated, and the change does not say so.",
    "frame-too-small": "With so many validators a view change would not fit a frame of this chain.",
    "not-of-accused": "The key that signed both messages is not the validator key of the member they name.",
    "no-trustees": "The genesis document names no trustees: nobody is there to be dealt a key.",
    "unknown-trustee": "The genesis document has no trustee at this place.",
    "trustee-not-independent": "The patient's own hospital runs this trustee: it is dealt nothing.",
    "unknown-dealing": "No class key of this patient was dealt under these shares.",
    "dealing-ended": "The dealing was ended by a revocation; the share is to be erased.",
    "dealing-stands": "The dealing stands: a trustee that erased its share now would break the consent.",
    "wrong-threshold": "A dealing has as many commitments as trustees must act together.",
    "not-of-class-key": "The first commitment is not the patient's class key of this epoch.",
    "epoch-not-next": "A class key is renewed by the one of the next epoch.",
    "too-many-epochs": "The patient has renewed as many class keys as the chain keeps.",
    "old-epoch": "The patient renewed this class key: what is taken in now is sealed to the newest epoch.",
    "epoch-closed": "A dealing of this class key was ended: renew the key before more is taken in.",
    "feature-not-in-force": "It needs a feature of the protocol that is not agreed on or begins later.",
    "bad-diseases": "It is no tree of diseases of the one allowed form.",
    "too-many-features": "The chain has agreed on as many features of the protocol as it keeps.",
    "patient-erased": "The patient had all of this handle erased: nothing is given under it any more.",
    "object-erased": "An object that it names was erased: apply again without it.",
    "row-erased": "The row that it names was erased, and does not come back.",
    "unknown-erasure": "There is no erasure of this number.",
    "block-budget": "This block has evaluated as many objects as it may: ask again.",
}

VERDICT_RULES: dict[str, str] = {
    "request-withdrawn": "The project has withdrawn its application.",
    "application-expired": "The application's expiry has passed at the block's time.",
    "purpose-not-permitted": "The data's use policy does not permit the application's purpose.",
    "content-not-decided": "A consent turns on codes or dates: the head has to grant this very object.",
    "revoked": "The patient revoked, at or after the height of what was given.",
    "patient-denied": "The patient said no.",
    "patient-not-signed": "Neither a live grant of the patient nor a standing consent covers it.",
    "steward-denied": "The providing hospital's steward said no.",
    "steward-not-signed": "The providing hospital's steward has not granted it.",
    "head-denied": "The head of the providing department said no.",
    "head-not-signed": "The head of the providing department has not granted it.",
}
"""In the order in which they are looked at: the first that holds is the verdict."""

VERIFICATION_RULES: dict[str, str] = {
    "receipt-malformed": "The receipt is not a receipt in deterministic CBOR.",
    "receipt-not-minimal": "The receipt holds something that it does not need, or holds it out of order.",
    "wrong-chain": "The receipt is of another chain than the genesis file.",
    "bad-header": "The block header is not what the receipt says it is.",
    "unknown-validators": "The header names a validator set that the genesis file does not give.",
    "bad-epochs": "The changes of members do not lead from the genesis file to the header's validators.",
    "bad-certificate": "The certificate is not a quorum's votes for this header.",
    "bad-proof": "A state proof does not lead to the header's state root.",
    "missing-fact": "A fact that the decision rests on is not in the receipt.",
    "bad-transaction": "A transaction in the receipt does not verify, or says something else than the state.",
    "bad-pointer": "An object's pointer is not in the batch that anchored it.",
    "verdict-differs": "Evaluated again from the proven facts, the decision comes out differently.",
    "bad-evidence": "It does not prove that a member of the genesis file said two things of one slot.",
    "bad-answer": "It is no answer about a consent in the one allowed form.",
    "bad-audit": "A block or transaction of the audit's range is left out or changed, or it is no audit.",
    "bad-statement": "The node's statement does not verify.",
}

RULES: dict[str, str] = FORM_RULES | STATE_RULES | VERDICT_RULES | VERIFICATION_RULES
"""Every rule code and its sentence."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule of the chain said no; `rule` is a key of RULES, `detail` says what it met."""

    rule: str
    detail: str = ""

    def __post_init__(self) -> None:
        assert self.rule in RULES, f"{self.rule} is no rule"

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail or RULES[self.rule]}"


class RefusedError(Exception):
    """Carries a Refusal out of nested checks; never leaves the ledger's public functions."""

    def __init__(self, rule: str, detail: str = "") -> None:
        self.refusal = Refusal(rule, detail)
        super().__init__(str(self.refusal))
