"""How much is computed at once, so that large examples fit in memory."""

import math
from collections.abc import Sequence

NUMBERS = 2**21  # in a portion; MobileNetV2 holds 600 for each at once, ours, so 5 GB of 2**24


def rows_at_once(shape: Sequence[int], most: int) -> int:
    """Rows of a portion.

    Args:
        shape: of one example.
        most: rows of examples that are not large, such as pictures of 32 pixels a side.
    """
    return max(1, min(most, NUMBERS // math.prod(shape)))
