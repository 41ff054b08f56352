"""Whether components and pipelines fit together."""

from dataclasses import replace

import pytest

from config.errors import ConfigError
from config.load import Source, load
from config.settings import Settings
from tests.config.models import CATALOGUE, Credited, Gather, Giving, Guarded, Knowing

COMPONENTS = """\
receivers: {otlp: {protocols: }}
processors: {scrub: }
exporters: {file: , loki: {endpoint: x}}
connectors: {count: , count/2: }
extensions: {health_check: }
service:
  pipelines:
"""


def problems(pipelines: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load([Source("a.yaml", COMPONENTS + pipelines)], CATALOGUE, environment)
    return str(caught.value).split("\n")


def warnings(pipelines: str) -> list[str]:
    return [str(each) for each in load([Source("a.yaml", COMPONENTS + pipelines)], CATALOGUE, {}).warnings]


@pytest.mark.parametrize(
    ("pipelines", "problem"),
    [
        (
            "    traces: {receivers: [otpl], exporters: [file]}",
            "a.yaml:8:26: service::pipelines::traces::receivers::0: the receiver 'otpl' is not defined "
            "under receivers or connectors; did you mean 'otlp'? Defined: count, count/2, otlp",
        ),
        (
            "    traces: {receivers: [otlp], processors: [batch], exporters: [file]}",
            "a.yaml:8:46: service::pipelines::traces::processors::0: the processor 'batch' is not defined "
            "under processors; defined: scrub",
        ),
        (
            "    traces: {receivers: [otlp], processors: [scrub, scrub], exporters: [file]}",
            "a.yaml:8:53: service::pipelines::traces::processors::1: the processor 'scrub' stands in this list twice; "
            "remove one",
        ),
        (
            "    traces: {receivers: [otlp], exporters: [file, loki]}",
            "a.yaml:8:51: service::pipelines::traces::exporters::1: the exporter 'loki' handles logs, "
            "and this pipeline carries traces",
        ),
        (
            "    traces: {receivers: [otlp], exporters: [count]}",
            "a.yaml:8:45: service::pipelines::traces::exporters::0: the connector 'count' must also stand "
            "among the receivers of another pipeline",
        ),
        (
            "    traces: {receivers: [count], exporters: [file]}",
            "a.yaml:8:26: service::pipelines::traces::receivers::0: the connector 'count' must also stand "
            "among the exporters of another pipeline",
        ),
        (
            "    traces: {receivers: [otlp], exporters: [file]}\n  extensions: [health]",
            "a.yaml:9:16: service::extensions::0: the extension 'health' is not defined under extensions; "
            "did you mean 'health_check'? Defined: health_check",
        ),
    ],
)
def test_wrong_references(pipelines: str, problem: str) -> None:
    """A pipeline can only name what exists and carries its signal, once."""
    assert problems(pipelines) == [problem]


KNOWING = Source(
    "b.yaml",
    """\
receivers: {otlp: {protocols: {grpc: {auth: {authenticator: %s}}}}}
exporters: {file: {auth: {authenticator: %s}}}
extensions: {knowing: , giving: , giving/2: , health_check: }
service: {extensions: [knowing, giving, health_check]}
""",
)


def auth_problems(receiver: str, exporter: str) -> list[str]:
    text = KNOWING.text % (receiver, exporter)
    extensions: dict[str, type[Settings]] = {**CATALOGUE.extensions, "knowing": Knowing, "giving": Giving}
    catalogue = replace(CATALOGUE, receivers={"otlp": Guarded}, exporters={"file": Credited}, extensions=extensions)
    pipelines = "  pipelines: {traces: {receivers: [otlp], exporters: [file]}}\n"
    with pytest.raises(ConfigError) as caught:
        load([Source("a.yaml", "service:\n" + pipelines), Source("b.yaml", text)], catalogue, {})
    return str(caught.value).split("\n")


def test_authenticators() -> None:
    """What `auth` names is there, runs, and can do what is asked of it: to know clients, or to give credentials."""
    at_receiver = "b.yaml:1:61: receivers::otlp::protocols::grpc::auth::authenticator:"
    at_exporter = "b.yaml:2:42: exporters::file::auth::authenticator:"
    assert auth_problems("knowing", "knowing") == [
        f"{at_exporter} the extension 'knowing' has no credentials for exporters, which are asked of it here; "
        "those defined that can: giving, giving/2"
    ]
    assert auth_problems("giving", "giving") == [
        f"{at_receiver} the extension 'giving' does not know clients, which is asked of it here; "
        "those defined that can: knowing"
    ]
    assert auth_problems("knowin", "giving/2") == [
        f"{at_receiver} the extension 'knowin' is not defined under extensions; did you mean 'knowing'? "
        "Defined: giving, giving/2, health_check, knowing",
        f"{at_exporter} the extension 'giving/2' is defined, but service::extensions does not name it; add it there",
    ]
    assert auth_problems("health_check", "giving") == [
        f"{at_receiver} the extension 'health_check' does not know clients, which is asked of it here; "
        "those defined that can: knowing"
    ]


def test_circles() -> None:
    """A pipeline cannot get its own data again."""
    text = """\
    traces: {receivers: [otlp, count/2], exporters: [count]}
    logs: {receivers: [count], exporters: [count/2, file]}
"""
    (problem,) = problems(text)
    assert problem.startswith("a.yaml:8:32: service::pipelines::traces::receivers::1: data would go round in circles: ")


def test_connectors() -> None:
    """A connector that ends one pipeline and begins another is right."""
    text = """\
    traces: {receivers: [otlp], processors: [scrub], exporters: [count]}
    logs: {receivers: [count], exporters: [file, loki]}
"""
    assert warnings(text) == [
        "a.yaml:4:23: connectors::count/2: this is defined, but no pipeline uses it",
        "a.yaml:5:14: extensions::health_check: this is defined, but service::extensions does not name it",
    ]


def test_two_kinds_with_one_id() -> None:
    """An id that is a connector and a receiver could mean either."""
    other = Source("b.yaml", "connectors: {otlp: }")
    catalogue = type(CATALOGUE)(
        **{**vars(CATALOGUE), "connectors": {**CATALOGUE.connectors, "otlp": CATALOGUE.connectors["count"]}}
    )
    source = Source("a.yaml", COMPONENTS + "    traces: {receivers: [otlp], exporters: [file]}")
    with pytest.raises(ConfigError) as caught:
        load([source, other], catalogue, {})
    assert (
        "b.yaml:1:14: connectors::otlp: this id is also defined under receivers; rename one of them, such as otlp/2"
        in str(caught.value)
    )


def test_unused_in_part() -> None:
    """Components that are not used are warned of, with the place of their definition."""
    assert warnings("    traces: {receivers: [otlp], exporters: [file]}\n  extensions: [health_check]") == [
        "a.yaml:2:14: processors::scrub: this is defined, but no pipeline uses it",
        "a.yaml:3:21: exporters::loki: this is defined, but no pipeline uses it",
        "a.yaml:4:14: connectors::count: this is defined, but no pipeline uses it",
        "a.yaml:4:23: connectors::count/2: this is defined, but no pipeline uses it",
    ]


def test_hidden_ids() -> None:
    """An id that came from the environment is shown as it was written."""
    (problem,) = problems("    traces: {receivers: [otlp], exporters: ['${env:WHERE}']}", WHERE="files")
    assert problem == (
        "a.yaml:8:45: service::pipelines::traces::exporters::0: the exporter '${env:WHERE}' is not defined "
        "under exporters or connectors; defined: count, count/2, file, loki"
    )


MERGING = "processors: {scrub: , gather: , gather/2: {size: 20}}"


def merging_problems(pipelines: str) -> list[str]:
    catalogue = replace(CATALOGUE, processors={**CATALOGUE.processors, "gather": Gather})
    text = COMPONENTS.replace("processors: {scrub: }", MERGING) + pipelines
    with pytest.raises(ConfigError) as caught:
        load([Source("a.yaml", text)], catalogue, {})
    return str(caught.value).split("\n")


def test_merging_stands_last() -> None:
    """A processor that says how exporters merge has no other after it."""
    found = merging_problems("    traces: {receivers: [otlp], processors: [gather, scrub], exporters: [file]}")
    assert found == [
        "a.yaml:8:46: service::pipelines::traces::processors::0: the processor 'gather' must stand last: "
        "it sets how the exporters after it merge what waits"
    ]


def test_one_exporter_merges_in_one_way() -> None:
    """Two pipelines of a signal cannot ask one exporter for different batches; two signals can."""
    found = merging_problems(
        "    logs: {receivers: [otlp], processors: [gather], exporters: [file]}\n"
        "    logs/2: {receivers: [otlp], processors: [gather/2], exporters: [file]}\n"
        "    traces: {receivers: [otlp], exporters: [file]}"
    )
    assert found == [
        "a.yaml:9:69: service::pipelines::logs/2::exporters::0: the exporter 'file' gets logs from pipelines that "
        "batch differently; give them the same batch processor, or an exporter each, such as file/2"
    ]
