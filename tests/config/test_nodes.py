"""Trees of values: merging, walking, places of problems."""

from hypothesis import given
from hypothesis import strategies as st

from config.errors import Problem
from config.nodes import List, Map, Node, Place, Scalar, merged, plain, problem_at, walk

KEY, VALUE = Place("a.yaml", 1, 1), Place("a.yaml", 1, 4)


def scalar(value: str | int | None, place: Place = VALUE) -> Scalar:
    return Scalar(KEY, place, value, str(value), str(value))


def tree(value: object) -> Node:
    if isinstance(value, dict):
        return Map(KEY, VALUE, {key: tree(each) for key, each in value.items()})
    if isinstance(value, list):
        return List(KEY, VALUE, tuple(map(tree, value)))
    assert value is None or isinstance(value, str | int)
    return scalar(value)


TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from("abc"), each, max_size=3),
    max_leaves=12,
)


def test_merging() -> None:
    """Maps are merged all the way down; lists, values and null replace."""
    first = {"m": {"x": 1, "y": {"z": 1}}, "l": [1, 2], "s": 1, "wiped": {"x": 1}, "kept": 1}
    second = {"m": {"y": {"w": 2}}, "l": [3], "s": {"t": 1}, "wiped": None}
    expected = {"m": {"x": 1, "y": {"z": 1, "w": 2}}, "l": [3], "s": {"t": 1}, "wiped": None, "kept": 1}
    assert plain(merged(tree(first), tree(second)), {}) == expected


def test_merging_keeps_places() -> None:
    """Each value keeps the place in the file it came from."""
    other = Place("b.yaml", 5, 1)
    result = merged(Map(KEY, KEY, {"a": scalar(1), "b": scalar(1)}), Map(KEY, KEY, {"b": scalar(2, other)}))
    assert result == Map(KEY, KEY, {"a": scalar(1), "b": scalar(2, other)})


@given(TREES, TREES)
def test_later_wins(first: object, second: object) -> None:
    """Merging a source again changes nothing, and nothing is what an empty map adds."""
    once = merged(tree(first), tree(second))
    assert merged(once, tree(second)) == once
    if isinstance(first, dict):
        assert merged(tree(first), tree({})) == tree(first)


def test_walk_passes_over_unknown_steps() -> None:
    """Steps that the tree does not know, such as the tags of a union's members, are passed over."""
    root = tree({"a": [{"b": 1}]})
    assert walk(root, ("a", "list[X]", 0, "X", "b", "int")) == (("a", 0, "b"), scalar(1))
    assert walk(root, ("a", 7, "c"))[0] == ("a",)


def test_plain_with_repairs_and_masks() -> None:
    """Repairs replace values; masked texts from references become what was written."""
    secret = Scalar(KEY, VALUE, "hunter2", "hunter2", "${env:P}", referenced=True)
    root = Map(KEY, VALUE, {"p": secret, "n": scalar(1), "e": scalar(None)})
    assert plain(root, {("n",): "1", ("e",): {}}) == {"p": "hunter2", "n": "1", "e": {}}
    assert plain(root, {}, masked=True) == {"p": "${env:P}", "n": 1, "e": None}


def test_places_of_problems() -> None:
    """A problem points at a scalar itself, at the key of a map, a list or an empty value, and at a key when told so."""
    at_value, at_key = Problem("a.yaml", 1, 4, "x::0", "s"), Problem("a.yaml", 1, 1, "x::0", "s")
    assert problem_at(scalar(1), ("x", 0), "s") == at_value
    assert problem_at(scalar(1), ("x", 0), "s", at_key=True) == at_key
    assert [problem_at(each, ("x", 0), "s") for each in (tree({}), tree([]), tree(None))] == [at_key] * 3
