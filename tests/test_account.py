"""What a method says of its own answer is read as far as its form is right."""

from __future__ import annotations

import pytest

from actspec_bench.account import Account

WHOLE = {
    "intervals_95": [[0.1, 0.3], [-0.2, 0.0]],
    "stand_ins": [[[4, 2], [1]], []],
    "unexplained": [0.2, 0.1, 0.3],
    "warnings": ["few inputs"],
    "units_left_out": {"always on": [3, 5]},
    "reason": "none",
    "something_else": object(),
}


def test_all_parts_are_read() -> None:
    told = Account.of(WHOLE, 2)
    assert told.intervals_95 == ((0.1, 0.3), (-0.2, 0.0))
    assert told.stand_ins == (((2, 4), (1,)), ())
    assert told.unexplained == (0.2, 0.1, 0.3)
    assert told.warnings == ("few inputs",)
    assert told.units_left_out == {"always on": (3, 5)}
    assert told.reason == "none"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("intervals_95", [[0.1, 0.3]]),
        ("intervals_95", [[0.1, 0.3], [0.2]]),
        ("stand_ins", [[[4, 2]], [], []]),
        ("stand_ins", "none"),
        ("unexplained", [0.2, 0.1]),
        ("unexplained", 0.2),
        ("warnings", "few inputs"),
        ("warnings", [3]),
        ("units_left_out", [3, 5]),
        ("units_left_out", {"always on": "all"}),
        ("reason", 3),
        ("reason", None),
    ],
)
def test_a_part_of_another_form_is_not_told_and_the_others_are(name: str, wrong: object) -> None:
    told = Account.of(WHOLE | {name: wrong}, 2)
    assert getattr(told, name) == getattr(Account(), name)
    rest = {other: getattr(told, other) for other in vars(told) if other != name}
    assert rest == {o: v for o, v in vars(Account.of(WHOLE, 2)).items() if o != name}
