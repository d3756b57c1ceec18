"""What can be wrong with clinical data that somebody wants to take in.

No message holds a byte of the input or the name of its file: exported bundles are named after the
patient, and messages end up in logs.
"""

from genesis.errors import EXIT_INPUT, EXIT_USAGE, ErrorCode, OperatorError, define

TOO_LARGE = define("INT-01", EXIT_INPUT, "the bundle is over the size limit")
TRUNCATED = define("INT-02", EXIT_INPUT, "the bundle ends in the middle")
NOT_JSON = define("INT-03", EXIT_INPUT, "the bundle is not JSON in UTF-8")
TOO_DEEP = define("INT-04", EXIT_INPUT, "the bundle is nested too deeply")
NOT_FHIR = define("INT-05", EXIT_INPUT, "the file is not a FHIR bundle")
WRONG_TYPE = define("INT-06", EXIT_INPUT, "the bundle is of a type that is not taken in")
TOO_MANY = define("INT-07", EXIT_INPUT, "the bundle has too many entries or too long a string")
UNREADABLE = define("INT-08", EXIT_INPUT, "the bundle's file cannot be read")
UNKNOWN_PROFILE = define("INT-09", EXIT_USAGE, "there is no such de-identification profile")

_UNCHANGED = "nothing of this bundle was taken in"


class BundleError(OperatorError):
    """A bundle that is refused as a whole. One bad resource among good ones is not such an error."""

    def __init__(self, code: ErrorCode, what: str, next_step: str) -> None:
        super().__init__(code, what, unchanged=_UNCHANGED, next_step=next_step)
