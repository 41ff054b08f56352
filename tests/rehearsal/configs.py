"""Small configurations, with rules of their own so that changes of the packs do not change the tests."""

from config.load import Source, load
from config.model import Config
from pipeline.__main__ import catalogue

SSN = r"{id: ssn, title: Social Security number, patterns: ['\b\d{3}-\d{2}-\d{4}\b']}"
MAIL = r"{id: mail, title: E-mail address, keys: [mail], in_text: never, patterns: ['[a-z.]+@example\.org']}"

TEXT = """\
receivers: {{otlp: {{protocols: {{http: }}}}}}
processors:
  redact_phi: {{packs: [], rules: [{rules}]}}
exporters: {{debug: }}
service:
  pipelines:
    logs: {{receivers: [otlp], processors: [redact_phi], exporters: [debug]}}
    traces: {{receivers: [otlp], processors: [redact_phi], exporters: [debug]}}
"""


def text(*rules: str, more: str = "") -> str:
    """A configuration whose one `redact_phi` has these rules."""
    return TEXT.format(rules=", ".join(rules)) + more


def config(*rules: str, more: str = "") -> Config:
    """The same, loaded."""
    return load([Source("c.yaml", text(*rules, more=more))], catalogue(), {})
