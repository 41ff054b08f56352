"""Tables of what was used lately."""

from wire.remote_write_series import Generations


def test_as_many_as_there_is_room_for() -> None:
    """They come in turn, and none is forgotten."""
    table: Generations[int, int] = Generations(100)
    for number in range(100):
        table.set(number, number)
    for _ in range(3):
        assert [table.get(number) for number in range(100)] == list(range(100))


def test_the_longest_unused_go_first() -> None:
    """A few new ones each round push out those that do not come any more, and hardly others."""
    table: Generations[int, int] = Generations(110)
    missed = 0
    for start in range(0, 1000, 5):
        for number in range(start, start + 100):
            if table.get(number) is None:
                missed += 1
                table.set(number, number)
        assert len(table) <= 110
    new = 100 + 199 * 5
    assert new <= missed < 1.25 * new


def test_what_is_there_can_be_set_again() -> None:
    """Nothing goes for it."""
    table: Generations[str, int] = Generations(2)
    table.set("a", 1)
    table.set("b", 2)
    table.set("b", 3)
    assert (table.get("a"), table.get("b"), len(table)) == (1, 3, 2)
