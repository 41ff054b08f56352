"""How an error is answered: the one mapping from what went wrong to a gRPC code and an HTTP status (protocols: OTLP
1.11, Failures).
"""

from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from pipeline.errors import Refused, Rejected, TooLarge, Unsupported
from pipeline.serving.authentication import Forbidden, Unauthenticated
from pipeline.serving.pages import retry_after

__all__ = ["Answer", "answer_to"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to a client whose data was not taken."""

    code: grpc.StatusCode
    http_status: int
    message: str
    retry_after_seconds: float | None = None
    challenge: str = ""

    def status(self) -> Status:
        """As google.rpc.Status: the body of an HTTP error, the details of a gRPC one."""
        details = []
        if self.retry_after_seconds is not None:
            packed = Any()
            packed.Pack(self.retry_info())
            details.append(packed)
        return Status(code=self.code.value[0], message=self.message, details=details)

    def retry_info(self) -> RetryInfo:
        delay = Duration()
        delay.FromNanoseconds(round((self.retry_after_seconds or 0.0) * 1e9))
        return RetryInfo(retry_delay=delay)

    def headers(self) -> dict[str, str]:
        """HTTP headers: Retry-After, in whole seconds, and WWW-Authenticate."""
        if self.challenge:
            return {"WWW-Authenticate": self.challenge}
        return retry_after(self.retry_after_seconds)

    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """gRPC trailers. Both are needed: Go clients read the details, the Python SDK reads the bare RetryInfo
        alone.
        """
        details = (("grpc-status-details-bin", self.status().SerializeToString()),)
        if self.retry_after_seconds is None:
            return details
        return (*details, ("google.rpc.retryinfo-bin", self.retry_info().SerializeToString()))


def answer_to(error: Exception) -> Answer:
    """The answer to what `Consumer.consume`, or the reading of a request, raised. Anything unknown is our own fault:
    INTERNAL.
    """
    match error:
        case Refused():
            # 429 where the client may be the one who sends too much; gRPC's word for both is UNAVAILABLE.
            status = 429 if error.reason == "too_many_requests" else 503
            return Answer(grpc.StatusCode.UNAVAILABLE, status, str(error), error.retry_after_seconds)
        case Unauthenticated():
            return Answer(grpc.StatusCode.UNAUTHENTICATED, 401, str(error), challenge=error.challenge)
        case Forbidden():
            return Answer(grpc.StatusCode.PERMISSION_DENIED, 403, str(error))
        case TooLarge():
            return Answer(grpc.StatusCode.RESOURCE_EXHAUSTED, 413, str(error))
        case Unsupported():
            return Answer(grpc.StatusCode.UNIMPLEMENTED, 404, str(error))
        case Rejected():
            return Answer(grpc.StatusCode.INVALID_ARGUMENT, 400, str(error))
    return Answer(grpc.StatusCode.INTERNAL, 500, "an internal error; the data was not taken")
