"""Errors of the vault: codes a person sees (KEY-xx), and the refusal of somebody else's bytes."""

from genesis.errors import EXIT_ENVIRONMENT, EXIT_INPUT, EXIT_KEY, define

FILE_MISSING = define("KEY-01", EXIT_INPUT, "the secret file does not exist or cannot be read")
WRONG_PASSPHRASE = define("KEY-02", EXIT_KEY, "the passphrase opens no slot of the secret file")
FILE_DAMAGED = define("KEY-03", EXIT_KEY, "the file is not an intact secret file")
WRONG_KIND = define("KEY-04", EXIT_KEY, "the secret file holds keys of another kind")
COST_TOO_HIGH = define(
    "KEY-05", EXIT_KEY, "the file demands more work or memory than argon2id's sensitive level"
)
FILE_EXISTS = define("KEY-06", EXIT_KEY, "a secret file is never overwritten by a new one")
PASSPHRASE_FILE = define("KEY-07", EXIT_INPUT, "the passphrase file is missing, empty or too long")
CHANGED_MEANWHILE = define("KEY-08", EXIT_KEY, "somebody else changed the secret file while it was open")
CANNOT_WRITE = define("KEY-09", EXIT_ENVIRONMENT, "the secret file cannot be written")
STUDY_NAME = define("KEY-10", EXIT_INPUT, "the head's file holds no such study, or already does")
NO_MEMORY = define("KEY-11", EXIT_ENVIRONMENT, "too little memory to derive the key from the passphrase")
NO_SLOT = define("KEY-12", EXIT_KEY, "the secret file has no such passphrase slot")


class SealingError(ValueError):
    """Sealed bytes, points or shares from outside that are not what they should be.

    `rule` is one of `malformed`, `suite-unknown`, `point-invalid`, `key-invalid`, `too-large`,
    `not-for-this-key`, `ciphertext-invalid`, `partials-too-few`, `duplicate`,
    `share-mismatch`.
    """

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule
        self.detail = detail
