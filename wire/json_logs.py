"""JSON logs as OTLP: a body of any logger's JSON into the bytes of an ExportLogsServiceRequest.

`json_logs_framing` takes the body apart, `json_logs_record` says what the keys mean, and here the records are gathered
under the resources they name. `docs/json_logs.md` has the tables for people.
"""

from typing import NamedTuple

from opentelemetry.proto.logs.v1.logs_pb2 import LogsData, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from wire.json_logs_framing import Entry, entries
from wire.json_logs_record import fill_record, plain_gelf, take_resource

__all__ = ["Logs", "to_otlp"]


class Logs(NamedTuple):
    """A serialized LogsData, how many records it holds, and how many of them are text that did not parse."""

    payload: bytes
    items: int
    parse_failures: int


class _ByResource:
    """Records under the resource they come from, resources in the order of their first record."""

    def __init__(self) -> None:
        self.data = LogsData()
        self._scopes: dict[bytes, ScopeLogs] = {}

    def scope(self, resource: Resource) -> ScopeLogs:
        key = resource.SerializeToString(deterministic=True)
        scope = self._scopes.get(key)
        if scope is None:
            scope = self._scopes[key] = self.data.resource_logs.add(resource=resource).scope_logs.add()
        return scope


def to_otlp(body: bytes, received_unix_nano: int, *, max_depth: int = 20) -> Logs:
    """The records of a body: one object, an array, or lines of JSON, by the OTel log data model.

    The observed time is when the body was received, and a record without a time keeps none. `max_depth` is how many
    maps and arrays a value may nest; 20 of them make 66 messages in OTLP, of 100 that protobuf parses. Whatever the
    bytes, there is a result: what is no object becomes a record whose body is the text.
    """
    logs = _ByResource()
    items = failures = 0
    for entry in entries(body):
        _add(logs, entry, received_unix_nano, max_depth)
        items += 1
        failures += entry.failed
    return Logs(logs.data.SerializeToString(), items, failures)


def _add(logs: _ByResource, entry: Entry, received_unix_nano: int, max_depth: int) -> None:
    if entry.fields is None:
        record = logs.scope(Resource()).log_records.add(observed_time_unix_nano=received_unix_nano)
        record.body.string_value = entry.text
        return
    fields = plain_gelf(entry.fields)
    record = logs.scope(take_resource(fields, max_depth)).log_records.add()
    fill_record(record, fields, max_depth)
    record.time_unix_nano = record.time_unix_nano or entry.time
    record.observed_time_unix_nano = received_unix_nano
