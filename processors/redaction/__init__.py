"""The engine behind `redact_phi`: rules → names and patterns → what to change in a payload."""
