"""Signature checks that remember: what was verified once is not verified again."""

from collections import OrderedDict
from hashlib import sha256
from threading import Lock

from chainnode.vault.keys import verify

REMEMBERED = 16_384


class Verifier:
    """Same answer as `vault.keys.verify`. Only good signatures are remembered, by digest.

    Asked from the loop and from the threads that check batches.
    """

    def __init__(self) -> None:
        self._good: OrderedDict[bytes, None] = OrderedDict()
        self._lock = Lock()

    def __call__(self, key: bytes, signed: bytes, signature: bytes) -> bool:
        name = sha256(key + signature + signed).digest()
        with self._lock:
            if name in self._good:
                self._good.move_to_end(name)
                return True
        if not verify(key, signed, signature):
            return False
        with self._lock:
            self._good[name] = None
            if len(self._good) > REMEMBERED:
                self._good.popitem(last=False)
        return True
