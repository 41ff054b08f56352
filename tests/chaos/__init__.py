"""What makes trouble, and what keeps count of it: clients that never stop, destinations that fail, a daemon that is
killed.

`clients` are real SDKs whose every export is on record with what became of it; `recorder` is a destination that counts
each receipt; `account` compares the two. `kill_nine`, `outages` and `soak` are the long runs, each with a short form in
tests/end_to_end.
"""
