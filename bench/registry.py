"""The suites, in the order in which they run. A new one is a file in bench/suites and a line here."""

from bench.suite import Suite
from bench.suites import admission, blocks, encoding, links, objects, sealing, signatures, state, storage

SUITES: tuple[Suite, ...] = (
    signatures.SUITE,
    encoding.SUITE,
    admission.SUITE,
    blocks.SUITE,
    state.SUITE,
    storage.SUITE,
    sealing.SUITE,
    objects.SUITE,
    links.SUITE,
)
