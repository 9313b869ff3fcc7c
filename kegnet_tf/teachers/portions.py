"""How much is computed at once, so that large examples fit in memory."""

import math
from collections.abc import Sequence

NUMBERS = 2**24  # in the examples of a portion, which networks make a hundred times more of; ours


def rows_at_once(shape: Sequence[int], most: int) -> int:
    """Rows of a portion.

    Args:
        shape: of one example.
        most: rows of examples that are not large, such as pictures of 64 pixels a side.
    """
    return max(1, min(most, NUMBERS // math.prod(shape)))
