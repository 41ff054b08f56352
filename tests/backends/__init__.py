"""The real programs Telescrub is tested against: installing them, starting them, reading back what they stored.

No mock proves a protocol, so the end-to-end tests use the servers and clients themselves, each pinned to a version.
``install`` puts them into a cache directory outside the repository (it needs only the standard library), ``servers``
starts the servers, ``clients`` runs the clients, and ``require`` skips a test whose program is not there.
"""
