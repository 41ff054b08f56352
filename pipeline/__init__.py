"""The machine that joins receivers, processors and exporters, and names none of them."""

import os

# gRPC's core writes past Python's logging, on standard error, and quotes what clients send, such as the text of a
# GOAWAY. It reads this when it is imported.
os.environ["GRPC_VERBOSITY"] = "NONE"
