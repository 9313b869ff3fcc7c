import pytest

from kegnet_tf import teachers


@pytest.mark.parametrize(
    ("shape", "most", "rows"),
    [
        ((16,), 256, 256),
        ((32, 32, 3), 500, 500),  # what is not large is taken as before
        ((224, 224, 3), 500, 13),  # 2^21 numbers over 150,528
        ((224, 224, 3), 5, 5),
        ((5000, 5000, 3), 256, 1),
    ],
)
def test_portions_of_large_examples_are_small(shape, most, rows):
    assert teachers.rows_at_once(shape, most) == rows
