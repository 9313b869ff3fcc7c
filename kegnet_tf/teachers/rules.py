"""What a setting must be, in one wording for each rule; every room checks its own by them."""

import math
import numbers
from collections.abc import Mapping, Sequence

import ml_collections
import numpy as np

LARGEST = float(np.finfo(np.float32).max)
MOST = 10**9  # more is a slip of the exponent; the square of this is still finite in float32


def whole(name: str, value: object, least: int = 1, most: int = MOST) -> None:
    """Refuses what is no whole number, or lies outside; true and 2.0 are none.

    Args:
        name: of the argument.
        value: of the argument.
        least: the smallest that will do.
        most: the largest.

    Raises:
        ValueError: naming the argument, the rule and the value, as in all of these functions.
    """
    if not is_whole(value):
        raise refusal(name, "be a whole number", value)
    _within(name, value, least, most)


def number(name: str, value: object, least: float = 0, most: float = MOST) -> None:
    """Refuses what is no finite number, or lies outside; true is none."""
    if not is_number(value):
        raise refusal(name, "be a finite number", value)
    _within(name, value, least, most)


def positive(name: str, value: object, most: float = MOST) -> None:
    """Refuses what is no finite number above 0 in float32."""
    number(name, value, -math.inf, most)
    if not np.float32(value) > 0:
        raise refusal(name, "be above 0", value)


def choice(name: str, value: object, known: Sequence[str]) -> None:
    """Refuses what is not one of some words."""
    if not isinstance(value, str) or value not in known:
        words = ", ".join(word or "''" for word in known)
        raise refusal(name, f"be one of {words}", value)


def flag(name: str, value: object) -> None:
    """Refuses what is neither true nor false."""
    if not isinstance(value, bool):
        raise refusal(name, "be true or false", value)


def text(name: str, value: object) -> None:
    """Refuses what is no text, or holds what cannot be printed on one line."""
    if not isinstance(value, str) or not (value.isprintable() or value == ""):
        raise refusal(name, "be text on one line", value)


def entries(name: str, value: object, least: int = 0, most: int = MOST) -> None:
    """Refuses what is no tuple, list or array, or holds too few or too many."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray):
        raise refusal(name, "be a sequence", value)
    if not least <= len(value) <= most:
        count = f"{least} or more" if most == MOST else f"{least} to {most}"
        raise refusal(name, f"hold {count} entries", value)


def distinct(name: str, value: object, known: Sequence[str], least: int = 0) -> None:
    """Refuses what is no sequence of some words, none of them twice."""
    entries(name, value, least)
    for each in value:
        if not isinstance(each, str) or each not in known:
            raise refusal(name, f"be among {', '.join(known)}", each)
    if len({*value}) < len(value):
        raise refusal(name, "hold no word twice", value)


def mapping(name: str, value: object) -> None:
    """Refuses what has no keys; a `ConfigDict`, which is no `Mapping`, has some."""
    if not isinstance(value, Mapping | ml_collections.ConfigDict):
        raise refusal(name, "have keys", value)


def is_whole(value: object) -> bool:
    """Whether a value is an integer; true and false are none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether a value is a number that float32 can hold; true and false are none."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    return abs(value) <= LARGEST


def refusal(name: str, rule: str, value: object) -> ValueError:
    """What is raised where an argument breaks a rule: one line, however long the value is."""
    shown = " ".join(repr(value).split())
    shown = shown if len(shown) <= 200 else f"{shown[:200]}..."
    return ValueError(f"`{name}` must {rule}. Received: {shown}.")


def _within(name, value, least, most):
    if value < least:
        raise refusal(name, f"be {least} or more", value)
    if value > most:
        raise refusal(name, f"be {most} or less", value)
