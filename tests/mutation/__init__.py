"""Mutation of the core: small faults planted one at a time, each of which some test must notice."""
