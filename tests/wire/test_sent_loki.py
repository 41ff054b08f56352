"""What pushes to Loki say."""

from typing import Any

import pytest
import snappy
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData

from exporters.loki import LokiSettings
from tests.payloads import context, logs, pairs
from wire.protobuf import length_delimited
from wire.sent_loki import said


def test_what_the_exporter_sends() -> None:
    """Labels without their escapes, metadata, lines, and what names may have been."""
    record = LogRecord(
        body=AnyValue(string_value='a "line"'),
        severity_text="WARN",
        trace_id=b"\xab" * 16,
        attributes=pairs({"user.maria@x.com": "seen", "seen.at": "ward 3"}),
    )
    batch = logs([record], {"service.name": 'a"b\\c', "host.name": "node-1"})
    (request,) = LokiSettings(endpoint="http://localhost").build(context("loki")).encode(batch).requests
    data: Any = LogsData.FromString(said(request.body)).resource_logs[0]
    attributes = {each.key: each.value.string_value for each in data.resource.attributes}
    assert attributes == {
        "service_name": 'a"b\\c',
        "host_name": "node-1",
        "user_maria_x_com": "seen",
        "seen_at": "ward 3",
        "trace_id": "ab" * 16,
    }
    texts = {each.body.string_value for each in data.scope_logs[0].log_records}
    assert texts == {'a "line"', "WARN", "user.maria@x.com"}


@pytest.mark.parametrize("selector", [b"", b"{a=b}", b'{a="b"} ', b'{a="b'])
def test_garbage(selector: bytes) -> None:
    """What cannot be read is an exception, so that it is not sent."""
    with pytest.raises(ValueError, match="this is no stream selector"):
        said(snappy.compress(length_delimited(0x0A, length_delimited(0x0A, selector))))
