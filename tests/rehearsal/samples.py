"""A span, a data point and log records as OTLP/JSON lines."""

import json

SSN = "536-90-4399"
MAIL = "jane.roe@example.org"

SPAN = json.dumps(
    {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "portal"}}]},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "0af7651916cd43dd8448eb211c80319c",
                                "spanId": "b7ad6b7169203331",
                                "name": f"visit of {SSN}",
                                "attributes": [
                                    {"key": "mail", "value": {"stringValue": MAIL}},
                                    {"key": MAIL, "value": {"boolValue": True}},
                                    {"key": "n", "value": {"arrayValue": {"values": [{"intValue": "7"}]}}},
                                ],
                            }
                        ]
                    }
                ],
            }
        ]
    }
)
POINT = json.dumps(
    {
        "resourceMetrics": [
            {
                "scopeMetrics": [
                    {
                        "metrics": [
                            {
                                "name": "visits",
                                "gauge": {
                                    "dataPoints": [
                                        {
                                            "asInt": "4",
                                            "attributes": [
                                                {"key": "mail", "value": {"stringValue": MAIL}},
                                                {"key": "clinic", "value": {"stringValue": "north"}},
                                            ],
                                        }
                                    ]
                                },
                            }
                        ]
                    }
                ]
            }
        ]
    }
)
JSON_LOG = json.dumps({"level": "info", "msg": "visit closed", "patient": {"mail": MAIL, "ssn": SSN}})
LINE = f"visit of {SSN} <{MAIL}> closed"
