"""Whether the extensions that components name are there, run, and can do what is asked of them: know clients, have
credentials, turn requests away, store queues.
"""

from collections.abc import Iterator

from config.errors import Problem
from config.nodes import List, Map, Node, Scalar, Steps
from config.uses import Defined, Use, items, undefined

__all__ = ["DEFAULT_STORAGE", "storages", "storing_nothing", "unable"]

DEFAULT_STORAGE = "file_storage"
"""What stores queues where nothing else is named; it need not be defined."""
_NO_STORAGE = "none"


def unable(service: Node, defined: Defined) -> Iterator[Problem]:
    """Each `auth::authenticator`, and each of `middlewares`, that names what is not there, does not run, or cannot do
    what is asked of it.
    """
    running = {node.text for _, node in items(service, "extensions")}
    for use, ability in (*_authenticators(service, defined), *_middlewares(defined)):
        if use.id not in defined["extensions"]:
            yield use.problem(undefined(use, defined))
        elif use.id not in running:
            yield use.problem(f"the {use.noun} is defined, but service::extensions does not name it; add it there")
        elif not _is_able(use.id, ability, defined):
            able = sorted(each for each in defined["extensions"] if _is_able(each, ability, defined))
            known = f"those defined that can: {', '.join(able)}" if able else "none that can is defined"
            yield use.problem(f"the {use.noun} {_ABILITIES[ability]}; {known}")


def storing_nothing(defined: Defined) -> Iterator[Problem]:
    """Each `sending_queue::storage` that names what is not there, or stores nothing."""
    for use in storages(defined):
        if use.id not in defined["extensions"] and use.id != DEFAULT_STORAGE:
            yield use.problem(f"{undefined(use, defined)}; `{_NO_STORAGE}` is a queue in memory")
        elif use.id in defined["extensions"] and not _is_able(use.id, "stores", defined):
            able = sorted(each for each in defined["extensions"] if _is_able(each, "stores", defined))
            yield use.problem(
                f"the {use.noun} does not store queues; {', '.join(able or [DEFAULT_STORAGE])} does, "
                f"and `{_NO_STORAGE}` is a queue in memory"
            )


def storages(defined: Defined) -> Iterator[Use]:
    """Wherever an exporter's queue names what keeps it."""
    for exporter_id, (node, _) in defined["exporters"].items():
        for section in ("sending_queue", "remote_write_queue"):
            queue = node.entries.get(section) if isinstance(node, Map) else None
            named = queue.entries.get("storage") if isinstance(queue, Map) else None
            if isinstance(named, Scalar) and named.value is not None and not named.broken and named.text != _NO_STORAGE:
                yield Use("extensions", named.text, named, ("exporters", exporter_id, section, "storage"))


_ABILITIES = {
    "authenticates": "does not know clients, which is asked of it here",
    "gives_headers": "has no credentials for exporters, which are asked of it here",
    "guards": "cannot turn requests away, which is asked of it here",
}
"""What the settings of an extension say that it can do, and the sentence where it cannot."""


def _authenticators(service: Node, defined: Defined) -> Iterator[tuple[Use, str]]:
    """Wherever `auth::authenticator` stands, and which ability is asked for there."""
    for kind in ("receivers", "exporters", "extensions"):
        for component_id, (node, _) in defined[kind].items():
            for path, scalar in _named_by_auth(node, (kind, component_id)):
                ability = "gives_headers" if kind == "exporters" else "authenticates"
                yield Use("extensions", scalar.text, scalar, path), ability
    for path, scalar in _named_by_auth(service, ("service",)):
        yield Use("extensions", scalar.text, scalar, path), "authenticates"


def _middlewares(defined: Defined) -> Iterator[tuple[Use, str]]:
    """Wherever a receiver names extensions that may turn requests away."""
    for receiver_id, (node, _) in defined["receivers"].items():
        for path, scalar in _named_as_middleware(node, ("receivers", receiver_id)):
            yield Use("extensions", scalar.text, scalar, path), "guards"


def _named_as_middleware(node: Node, path: Steps) -> Iterator[tuple[Steps, Scalar]]:
    for key, child in node.entries.items() if isinstance(node, Map) else ():
        for index, item in enumerate(child.items if key == "middlewares" and isinstance(child, List) else ()):
            named = item.entries.get("id") if isinstance(item, Map) else None
            if isinstance(named, Scalar) and named.value is not None and not named.broken:
                yield (*path, key, index, "id"), named
        yield from _named_as_middleware(child, (*path, key))


def _named_by_auth(node: Node, path: Steps) -> Iterator[tuple[Steps, Scalar]]:
    if isinstance(node, List):
        for index, item in enumerate(node.items):
            yield from _named_by_auth(item, (*path, index))
    for key, child in node.entries.items() if isinstance(node, Map) else ():
        named = child.entries.get("authenticator") if key == "auth" and isinstance(child, Map) else None
        if isinstance(named, Scalar) and named.value is not None and not named.broken:
            yield (*path, key, "authenticator"), named
        else:
            yield from _named_by_auth(child, (*path, key))


def _is_able(extension_id: str, ability: str, defined: Defined) -> bool:
    """Settings with problems of their own are given the benefit of the doubt."""
    settings = defined["extensions"][extension_id][1]
    return settings is None or getattr(settings, ability, False)
