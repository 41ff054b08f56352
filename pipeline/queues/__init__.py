"""The queue before each exporter, and where it keeps what waits: read queue.py first, then store.py and file.py."""
