"""Error codes of the genesis room."""

from genesis.errors import EXIT_ENVIRONMENT, EXIT_IN_USE, EXIT_INPUT, EXIT_KEY, define

GEN_UNREADABLE = define("GEN-01", EXIT_INPUT, "the genesis file or join request cannot be read")
GEN_MALFORMED = define("GEN-02", EXIT_INPUT, "the file is no genesis document in its one allowed encoding")
GEN_UNSIGNED = define("GEN-03", EXIT_INPUT, "a member's signature is missing from the genesis document")
GEN_BAD_SIGNATURE = define("GEN-04", EXIT_INPUT, "a signature in the genesis document does not verify")
GEN_INVALID = define("GEN-05", EXIT_INPUT, "the genesis document breaks a rule")
GEN_REQUEST_MALFORMED = define("GEN-06", EXIT_INPUT, "the file is no join request in its one allowed form")
GEN_REQUEST_FORGED = define("GEN-07", EXIT_INPUT, "the join request is not signed by the key it presents")
GEN_REQUEST_FOREIGN = define("GEN-08", EXIT_INPUT, "the join request is for another network")
GEN_WRONG_KEY = define("GEN-09", EXIT_KEY, "the key is not the one that the genesis document names")
GEN_DIFFERENT = define("GEN-10", EXIT_INPUT, "two copies of the genesis document are not the same document")
GEN_EXISTS = define("GEN-11", EXIT_INPUT, "a genesis file is never overwritten by another document")
GEN_REQUEST_EXISTS = define("GEN-12", EXIT_INPUT, "a join request is never overwritten by another")
GEN_UNWRITABLE = define("GEN-13", EXIT_ENVIRONMENT, "the genesis file cannot be written")
GEN_CHANGE = define("GEN-14", EXIT_INPUT, "the file is no change of members, or a signature in it is bad")
GEN_CHANGE_DIFFERENT = define("GEN-15", EXIT_INPUT, "two copies of a change of members are not the same")
GEN_CHANGE_EXISTS = define("GEN-16", EXIT_INPUT, "a change of members is never overwritten by another file")
GEN_CHANGE_KEY = define("GEN-17", EXIT_KEY, "the key is not the one that the change of members names")
GEN_BUSY = define("GEN-18", EXIT_IN_USE, "another process keeps the file that is to be signed or written")
