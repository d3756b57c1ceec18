"""Errors of the pool: codes an operator sees (POL-xx), and the refusal of an object's bytes."""

from genesis.errors import EXIT_ENVIRONMENT, EXIT_INPUT, define

DISK_FULL = define("POL-01", EXIT_ENVIRONMENT, "the disk or quota behind the object store is full")
STORE_UNREACHABLE = define("POL-02", EXIT_ENVIRONMENT, "the object store does not answer or refuses")
STORE_LOCATION = define("POL-03", EXIT_ENVIRONMENT, "the object store's folder or URL cannot be used")
OBJECT_TOO_LARGE = define("POL-04", EXIT_INPUT, "an object is larger than the pool takes")

RULES: dict[str, str] = {
    "object-missing": "the store holds no such object",
    "object-exists": "the store holds other bytes under this id",
    "object-too-large": "the object is larger than the pool takes",
    "length-mismatch": "the ciphertext's length is not the anchored one",
    "root-mismatch": "the ciphertext's segments do not give the anchored root",
    "hospital-half-mismatch": "the hospital's half does not fit its commitment on chain",
    "patient-half-mismatch": "the patient's half does not fit its commitment on chain",
    "key-mismatch": "the key that both halves give does not fit its commitment on chain",
    "segment-altered": "a segment does not decrypt under the key",
    "padding-invalid": "the length inside or the padding is not what sealing writes",
    "recipients-malformed": "the list of recipients is not what it should be",
    "recipient-missing": "the list of recipients names no such key",
    "locator-altered": "a locator does not decrypt under its batch's key",
}
"""Why bytes of an object are refused."""


class ObjectError(ValueError):
    """Bytes of an object, or of what belongs to it, are refused. `rule` is one of RULES."""

    def __init__(self, rule: str, detail: str = "") -> None:
        assert rule in RULES
        super().__init__(f"{rule}: {detail or RULES[rule]}")
        self.rule = rule
        self.detail = detail or RULES[rule]
