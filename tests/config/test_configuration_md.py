"""What docs/configuration.md shows is true."""

import re
from pathlib import Path

import pytest
import yaml

from config.errors import ConfigError
from config.load import Source, load
from config.model import MetricsSettings, PipelineSettings, Service
from pipeline.__main__ import catalogue

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_example_loads() -> None:
    """The first example, and the second over it."""
    first, second = (text for _, text in BLOCKS[:2])
    config = load([Source("a.yaml", first), Source("b.yaml", second)], catalogue(), {})
    assert config.warnings == ()
    assert yaml.safe_load(second)["exporters"].keys() <= config.exporters.keys()


def test_the_errors_are_real() -> None:
    """The broken file gives exactly the lines that the page shows."""
    broken = next(text for _, text in BLOCKS if text.startswith("# telescrub.yaml"))
    shown = next(text for language, text in BLOCKS if language == "text")
    with pytest.raises(ConfigError) as caught:
        load([Source("telescrub.yaml", broken)], catalogue(), {})
    assert str(caught.value) == shown.strip()


def test_every_key_is_named() -> None:
    """Every key of the service section is on the page."""
    keys = {*Service.model_fields, *PipelineSettings.model_fields, *MetricsSettings.model_fields}
    assert [key for key in sorted(keys) if key not in PAGE] == []
