"""The rules: transactions, permissions, invariants. Records in, records out, typed errors."""
