"""The known word that a mistyped one comes nearest to."""

import difflib
import re
from collections.abc import Iterable

_CHOICE = re.compile(r"must be (?:one of|among) (.+)\. Received: '([^']+)'\.$")
_ENUM = re.compile(r"flag --\w+=(?P<word>.+): value should be one of <(?P<known>.+)>$")  # absl's


def nearest(word: str, known: Iterable[str]) -> str:
    """The question after a mistyped word, such as " Did you mean 'mnist'?"; "" where none is near.

    Args:
        word: that is not known.
        known: those that are.
    """
    by_small = {each.lower(): each for each in known}
    found = difflib.get_close_matches(word.lower(), by_small, 1)
    return f" Did you mean {by_small[found[0]]!r}?" if found else ""


def with_nearest(line: str) -> str:
    """A refusal in one line, with the question where it says what is known and what was received.

    Args:
        line: such as "`dataset` must be one of letter, mnist. Received: 'mnits'."
    """
    if found := _CHOICE.search(line):
        return line + nearest(found[2], found[1].split(", "))
    if found := _ENUM.search(line):
        return f"{line}.{nearest(found['word'], found['known'].split('|'))}"
    return line
