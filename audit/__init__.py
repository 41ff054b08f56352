"""The audit ledger: rows that prove afterwards what was redacted by which rule. Written, checked, reported."""
