"""Reads what a collector was sent as OpenTelemetry's own definitions have it, and says what it means in their words.

What no definition knows, or has another type, is refused there. Ids are hexadecimal in OTLP's JSON, where protobuf's has base64.
"""

import base64
import json
import os

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

KINDS = {"/v1/logs": ExportLogsServiceRequest, "/v1/traces": ExportTraceServiceRequest}
IDS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def with_ids(value):
    if isinstance(value, list):
        return [with_ids(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: an_id(name, one) if name in IDS else with_ids(one) for name, one in value.items()}


def an_id(name: str, text: str) -> str:
    raw = bytes.fromhex(text)
    assert len(raw) == IDS[name] and any(raw), f"{name}: {text}"
    return base64.b64encode(raw).decode()


def plain(value):
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)


def attributes(of) -> dict:
    names = [one.key for one in of]
    assert len(names) == len(set(names)), f"a name stands twice: {names}"
    return {one.key: plain(one.value) for one in of}


def ids(of) -> dict:
    return {"trace": of.trace_id.hex(), "span": of.span_id.hex()}


told = {"logs": [], "spans": [], "resources": []}
with open(os.environ["SENT"], encoding="utf-8") as file:
    sent = json.load(file)
for one in sent:
    read = json_format.ParseDict(with_ids(one["body"]), KINDS[one["path"]]())
    # As a collector would hand it on.
    read = KINDS[one["path"]].FromString(read.SerializeToString())
    for resource in [*getattr(read, "resource_logs", []), *getattr(read, "resource_spans", [])]:
        told["resources"].append(attributes(resource.resource.attributes))
        for scope in [*getattr(resource, "scope_logs", []), *getattr(resource, "scope_spans", [])]:
            assert scope.scope.name == "palisade", scope.scope
            for log in getattr(scope, "log_records", []):
                told["logs"].append(
                    ids(log)
                    | {
                        "severity": SeverityNumber.Name(log.severity_number),
                        "text": log.severity_text,
                        "body": plain(log.body),
                        "at": log.time_unix_nano,
                        "attributes": attributes(log.attributes),
                    }
                )
            for span in getattr(scope, "spans", []):
                told["spans"].append(
                    ids(span)
                    | {
                        "parent": span.parent_span_id.hex(),
                        "name": span.name,
                        "kind": Span.SpanKind.Name(span.kind),
                        "status": Status.StatusCode.Name(span.status.code),
                        "began": span.start_time_unix_nano,
                        "ended": span.end_time_unix_nano,
                        "attributes": attributes(span.attributes),
                    }
                )
print(json.dumps(told))
