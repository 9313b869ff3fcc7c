import fractions
import math

import ml_collections
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kegnet_tf.teachers import rules

WORDS = st.text("one \0\t\r\n\x1c\x85\u2028é")  # of all characters, tables are made first: seconds
NO_NUMBERS = (None, True, "1", (1,), [], {}, 1j, np.nan, np.inf, -np.inf, np.array(1.0), 10**400)


def holds(rule, *arguments):
    message = ""
    try:
        rule("it", *arguments)
    except ValueError as error:
        message = str(error)
    if not message:
        return True
    assert message.startswith("`it` must ")
    assert ". Received: " in message
    assert message.isprintable()  # one line
    assert len(message) < 300
    return False


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_number_is_neither_whole_nor_above_0(value):
    for rule in (rules.number, rules.whole, rules.positive):
        assert not holds(rule, value)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1), fractions.Fraction(1, 2)])
def test_number_of_any_library_is_one(value):
    assert holds(rules.number, value)
    assert holds(rules.positive, value)
    assert holds(rules.whole, value) == isinstance(value, int | np.integer)


@given(st.floats())
def test_float_is_accepted_just_where_it_is_finite_and_within(value):
    assert holds(rules.number, value, -1, 1) == (-1 <= value <= 1)
    assert holds(rules.number, value) == (0 <= value <= 10**9)
    above = 0 < value <= 10**9 and float(np.float32(value)) > 0
    assert holds(rules.positive, value) == above
    assert not holds(rules.whole, value)


@given(st.integers())
def test_integer_is_accepted_just_where_it_is_within(value):
    assert holds(rules.whole, value) == (1 <= value <= 10**9)
    assert holds(rules.whole, value, 0, 7) == (0 <= value <= 7)


@given(st.one_of(WORDS, st.integers(), st.none(), st.binary(), st.lists(WORDS)))
def test_only_a_known_word_is_a_choice(value):
    assert holds(rules.choice, value, ("", "one")) == (value in ("", "one"))


@given(WORDS)
def test_text_stays_on_its_line(value):
    assert not holds(rules.text, value) or len(value.splitlines()) <= 1


def test_long_value_is_cut():
    message = str(rules.refusal("it", "be short", "x" * 10**6))
    assert len(message) < 300
    assert message.endswith("x....")


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ((), True),
        (["a"], True),
        (("a", "b"), True),
        ("a", False),
        (("a", "a"), False),
        (("c",), False),
        ((["a"],), False),
        (None, False),
        ({"a": 1}, False),
    ],
)
def test_distinct_words_are_known_and_stand_once(value, accepted):
    assert holds(rules.distinct, value, ("a", "b")) == accepted


@pytest.mark.parametrize(
    ("value", "accepted"),
    [((), False), ((1,), True), (np.ones(2), True), ((1,) * 3, False), ("ab", False), (1, False)],
)
def test_entries_are_counted(value, accepted):
    assert holds(rules.entries, value, 1, 2) == accepted


def test_mapping_has_keys():
    assert holds(rules.mapping, {})
    assert holds(rules.mapping, ml_collections.ConfigDict())
    assert not holds(rules.mapping, ())


@pytest.mark.parametrize(("value", "accepted"), [(True, True), (False, True), (1, False)])
def test_flag_is_true_or_false(value, accepted):
    assert holds(rules.flag, value) == accepted


def test_largest_number_still_has_a_square_in_float32():
    assert math.isfinite(np.float32(rules.MOST) ** 2)
