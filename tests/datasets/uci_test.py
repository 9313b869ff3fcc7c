import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kegnet_tf.datasets import uci

ROWS = "1,2,a\n3,4,b\n5,6,a\n"


def read(folder, text, **kwargs):
    path = folder / "raw.data"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    arguments = {"size": 3, "features": 2, "low": 1, "high": 6, "label_names": "ab"}
    return uci.read(path, **{**arguments, **kwargs})


@pytest.mark.parametrize(
    "text", [ROWS, ROWS.replace(",", " "), ROWS.replace(",", ",  "), ROWS.replace("\n", "\r\n")]
)
def test_rows_are_read_with_commas_and_with_blanks(tmp_path, text):
    x, label = read(tmp_path, text)
    assert_array_equal(x, [[1, 2], [3, 4], [5, 6]])
    assert label == ["a", "b", "a"]


def test_label_may_come_first(tmp_path):
    x, label = read(tmp_path, "a,1,2\nb,3,4\na,5,6\n", label_first=True)
    assert_array_equal(x, [[1, 2], [3, 4], [5, 6]])
    assert label == ["a", "b", "a"]


def test_compressed_file_is_read_like_the_plain_one(tmp_path):
    codes = sum(code << 9 * index for index, code in enumerate(ROWS.encode()))  # words of one byte
    compressed = b"\x1f\x9d\x90" + codes.to_bytes(-(-9 * len(ROWS) // 8), "little")
    for compressed_or_not in (compressed, ROWS):
        x, _ = read(tmp_path, compressed_or_not)
        assert_array_equal(x, [[1, 2], [3, 4], [5, 6]])


def test_every_truncation_is_refused(tmp_path):
    for length in range(len(ROWS)):
        with pytest.raises(ValueError, match="`raw.data` must .* Received: .* in /.*"):
            read(tmp_path, ROWS[:length])


def test_file_that_is_many_times_too_large_is_not_read(tmp_path):
    path = tmp_path / "raw.data"
    with path.open("wb") as file:
        file.truncate(2**40)  # of holes
    with pytest.raises(ValueError, match="`raw.data` must have 67108864 bytes at most. Received"):
        uci.read(path, size=3, features=2, low=1, high=6, label_names="ab")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,a\n3,4,b\n", "have 3 rows. Received: 2 in"),
        (ROWS + "7,8,a\n", "have 3 rows. Received: 4 in"),
        ("", "have 3 rows. Received: 0 in"),
        (ROWS[:-1], "end in a whole row. Received: "),
        ("1,2,a\n3,b\n5,6,a\n", "have 3 entries in row 2. Received: 2 in"),
        ("1,2,a\n3,4,5,b\n5,6,a\n", "have 3 entries in row 2. Received: 4 in"),
        ("1,2,a\n\n5,6,a\n", "have 3 entries in row 2. Received: 0 in"),
        ("1,2,a\n3,4,c\n5,6,a\n", "have labels among a, b. Received: c in"),
        ("1,2,a\n3,0,b\n5,6,a\n", r"hold integers in \[1, 6\]. Received: 0 to 6 in"),
        ("1,2,a\n3,4,b\n5,7,a\n", r"hold integers in \[1, 6\]. Received: 1 to 7 in"),
        ("1,2,a\n3,4.5,b\n5,6,a\n", "hold integers. Received: .*4.5"),
        ("1,2,a\n3,nan,b\n5,6,a\n", "hold integers. Received: .*nan"),
        ("1,2,a\n3,x,b\n5,6,a\n", "hold integers. Received: .*x"),
        ("1,2,a\n3,99999999999999999999,b\n5,6,a\n", "hold integers. Received: "),
        ("1,2,a\n3,é,b\n5,6,a\n", "hold integers. Received: "),
        (b"\x00" * 100, "have 3 rows. Received: 1 in"),
        (b"\x1f\x9d\x90", "have 3 rows. Received: 0 in"),
    ],
)
def test_altered_file_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=f"`raw.data` must {message}"):
        read(tmp_path, text)


def test_integers_are_exact(tmp_path):
    x, _ = read(tmp_path, "-26739,15164,a\n3,4,b\n5,6,a\n", low=-26739, high=15164)
    assert x.dtype == np.int64
    assert_array_equal(x[0], [-26739, 15164])
