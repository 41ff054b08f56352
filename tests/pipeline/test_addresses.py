"""Two servers at one address are found, wherever they stand."""

from typing import Any

import pytest

from pipeline.addresses import check_addresses
from tests.pipeline.daemon import BASE, changed
from tests.pipeline.test_parts import loaded

HTTP = "receivers::otlp::protocols::http::endpoint"


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"service::admin::endpoint": "127.0.0.1:4318"}, "receivers::otlp and service::admin"),
        ({"service::telemetry::metrics::address": "127.0.0.1:4318"}, "receivers::otlp and service::telemetry::metrics"),
        ({"receivers::otlp::protocols::grpc": {"endpoint": "127.0.0.1:4318"}}, "receivers::otlp and receivers::otlp"),
        (
            {
                "extensions::health_check": {"endpoint": "127.0.0.1:4318"},
                "service::extensions": ["file_storage", "health_check"],
            },
            "extensions::health_check and receivers::otlp",
        ),
    ],
)
def test_the_same_address_twice(changes: dict[str, Any], names: str) -> None:
    """Both are named, and the address."""
    tree = changed(BASE, {HTTP: "127.0.0.1:4318", **changes})
    with pytest.raises(OSError, match="listen on the same address") as caught:
        check_addresses(loaded(tree))
    assert str(caught.value) == f"{names} listen on the same address, 127.0.0.1:4318; give each its own"


@pytest.mark.parametrize("other", ["0.0.0.0:4318", ":4318", "localhost:4318"])
def test_the_same_address_in_other_words(other: str) -> None:
    """What every address of the machine has in it, and names."""
    tree = changed(BASE, {HTTP: other, "service::admin::endpoint": "127.0.0.1:4318"})
    with pytest.raises(OSError, match="receivers::otlp and service::admin listen on the same address"):
        check_addresses(loaded(tree))


def test_other_addresses() -> None:
    """Of one port."""
    check_addresses(loaded(changed(BASE, {HTTP: "127.0.0.1:4318", "service::admin::endpoint": "127.0.0.2:4318"})))


def test_free_ports() -> None:
    """Port 0 is another one for each."""
    check_addresses(loaded(BASE))
