"""The log made tamper-evident: events become leaves of a Merkle tree, whose signed roots leave the database."""
