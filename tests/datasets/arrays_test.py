import io
import os
import zipfile

import hypothesis
import numpy as np
import psutil
import pytest
from hypothesis import strategies

from kegnet_tf import datasets


def saved(folder, **content):
    np.savez(folder / "test.npz", **content)
    return folder / "test.npz"


def test_uint8_is_brought_to_0_and_1_and_standardised(tmp_path):
    path = saved(tmp_path, x=np.full((2, 1, 1, 2), 51, np.uint8), y=np.array([0, 2]))
    x, label = datasets.load_arrays(path, (1, 1, 2), 3, mean=(0.1, 0.2), std=(0.5, 2.0))
    np.testing.assert_allclose(x[1, 0, 0], [(0.2 - 0.1) / 0.5, 0], atol=1e-7)
    assert x.dtype == np.float32
    assert label.tolist() == [0, 2]


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_without_a_mean_values_are_what_the_model_expects(tmp_path, dtype):
    path = saved(tmp_path, x=np.full((1, 3), 51, dtype), y=np.array([1], np.uint8))
    np.testing.assert_array_equal(datasets.load_arrays(path, (3,), 2)[0], [[51, 51, 51]])


X, Y = np.zeros((2, 3)), np.array([0, 1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": X}, "hold arrays 'x' and 'y'. Received: .'x'."),
        ({"x": X[:, :2], "y": Y}, r"of shape \[size, 3\]. Received: \(2, 2\)"),
        ({"x": X[:0], "y": Y[:0]}, r"of shape \[size, 3\]. Received: \(0, 3\)"),
        ({"x": X.astype(int), "y": Y}, "'x' of uint8 or float. Received: int64"),
        ({"x": X * np.nan, "y": Y}, "finite 'x'. Received: NaN or infinity"),
        (
            {"x": X, "y": Y[:1]},
            r"one integer in 'y' for each of 'x'. Received: int64 of shape \(1,",
        ),
        ({"x": X, "y": Y * 1.0}, "one integer in 'y' for each of 'x'. Received: float64"),
        ({"x": X, "y": Y + 1}, r"'y' in \[0, 1\]. Received: 1 to 2"),
        ({"x": X, "y": Y - 1}, r"'y' in \[0, 1\]. Received: -1 to 0"),
    ],
)
def test_wrong_arrays_are_told_in_one_line(tmp_path, content, message):
    with pytest.raises(ValueError, match=f"`eval_data` must .*{message}.* in .*test.npz"):
        datasets.load_arrays(saved(tmp_path, **content), (3,), 2)


@pytest.mark.parametrize("content", [None, b"", b"no array at all", b"PK\x03\x04 truncated"])
def test_file_that_is_no_npz_is_told_in_one_line(tmp_path, content):
    path = tmp_path / "test.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="`eval_data` must be a .npz file. Received: .*test.npz"):
        datasets.load_arrays(path, (3,), 2)


def test_pickled_objects_are_refused(tmp_path):
    path = saved(tmp_path, x=np.array([{}]), y=Y[:1])
    with pytest.raises(ValueError, match="`eval_data` must be a .npz file.*Object arrays"):
        datasets.load_arrays(path, (3,), 2)


def test_array_that_is_no_archive_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(ValueError, match="`eval_data` must be a .npz file"):
        datasets.load_arrays(tmp_path / "x.npy", (3,), 2)


def test_examples_need_no_labels_and_are_standardised_as_well(tmp_path):
    path = saved(tmp_path, x=np.full((2, 1, 1, 2), 51, np.uint8))
    x = datasets.load_examples(path, (1, 1, 2), mean=(0.1, 0.2), std=(0.5, 2.0))
    np.testing.assert_allclose(x[1, 0, 0], [(0.2 - 0.1) / 0.5, 0], atol=1e-7)
    with pytest.raises(ValueError, match=r"`calibration` must hold 'x' of shape \[size, 3\]"):
        datasets.load_examples(path, (3,))
    with pytest.raises(ValueError, match="`calibration` must hold array 'x'. Received: .'y'.*"):
        datasets.load_examples(saved(tmp_path, y=Y), (3,))


def header(shape, kind="<f4"):
    """The head of an array, as a `.npy` file has it."""
    content = io.BytesIO()
    described = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, described)
    return content.getvalue()


def packed(path, x):
    y = io.BytesIO()
    np.save(y, Y)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", x)
        file.writestr("y.npy", y.getvalue())
    return path


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (header((2**37, 4)), "x.npy declares 2199023255552 bytes and holds 0"),
        (header((40, 3)) + bytes(24), "x.npy declares 480 bytes and holds 24"),
        (header((-2, 3)) + bytes(24), "declares -24 bytes"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16, "EOF|never closed"),
        (b"\x93NUMPY\x09\x00", "of format"),
        (b"cos\nsystem\n(S'touch /tmp/evil'\ntR.", "magic string"),
        (b"hello", "magic string"),
    ],
)
def test_array_that_is_not_what_it_declares_is_refused_before_it_is_read(tmp_path, x, reason):
    with pytest.raises(ValueError, match=f"`eval_data` must be a .npz file.*{reason}") as error:
        datasets.load_arrays(packed(tmp_path / "test.npz", x), (3,), 2)
    assert "\n" not in str(error.value)


def test_data_that_memory_does_not_hold_are_refused_before_they_are_read(tmp_path, monkeypatch):
    path = packed(tmp_path / "test.npz", header((10**6, 3)) + bytes(12 * 10**6))
    assert path.stat().st_size < 20_000  # of nothing, packed a thousandfold
    free = psutil.virtual_memory()._replace(available=3 * 10**7)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    # As they are, and twice in float32.
    message = r"`eval_data` must fit in memory. Received: 3.6e\+07 bytes, where 3e\+07 are free"
    with pytest.raises(ValueError, match=message):
        datasets.load_arrays(path, (3,), 2)


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_path_that_is_no_regular_file_is_refused_unopened(tmp_path, kind):
    path = tmp_path / "test.npz"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="`eval_data` must .*test.npz .it is no regular file"):
        datasets.load_arrays(path, (3,), 2)


def test_arrays_that_are_not_asked_for_are_not_read(tmp_path):
    path = saved(tmp_path, x=X, y=Y, notes=np.array([{}], dtype=object))
    assert datasets.load_arrays(path, (3,), 2)[0].shape == (2, 3)


@pytest.mark.parametrize(
    ("x", "std"), [(np.full((2, 3), 1e300), ()), (np.full((2, 3), 1e30), (1e-30,))]
)
@pytest.mark.filterwarnings("error")
def test_numbers_beyond_float32_are_refused(tmp_path, x, std):
    path = saved(tmp_path, x=x, y=Y)
    with pytest.raises(ValueError, match=r"hold 'x' that float32 holds.*Received: 1e\+3"):
        datasets.load_arrays(path, (3,), 2, (0.0,) * len(std), std)


def test_bit_that_flipped_in_the_data_is_found(tmp_path):
    path = saved(tmp_path, x=np.full((2, 3), 7.0), y=Y)
    content = bytearray(path.read_bytes())
    content[content.index(np.full(6, 7.0).tobytes()) + 9] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="`eval_data` must be a .npz file.*Bad CRC-32"):
        datasets.load_arrays(path, (3,), 2)


def test_locked_archive_is_refused(tmp_path):
    path = saved(tmp_path, x=X, y=Y)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = -1
        while (start := content.find(signature, start + 1)) >= 0:
            content[start + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="`eval_data` must be a .npz file.*password required"):
        datasets.load_arrays(path, (3,), 2)


def loads_or_is_refused(path, content):
    path.write_bytes(content)
    said = ""
    try:
        x, label = datasets.load_arrays(path, (3,), 2)
    except ValueError as error:
        said = str(error)
    if said:
        assert said.startswith("`eval_data` must ")
        assert "\n" not in said
    else:
        assert np.isfinite(x).all()
        assert len(x) == len(label)


def spoil(content, changes):
    """Some bytes of a file in place of others, by their share of the way through."""
    content = bytearray(content)
    for share, removed, put in changes:
        place = int(share * len(content))
        content[place : place + removed] = put
    return bytes(content)


CHANGES = strategies.lists(
    strategies.tuples(
        strategies.floats(0, 1), strategies.integers(0, 40), strategies.binary(max_size=8)
    ),
    max_size=4,
)
SETTINGS = {"deadline": None, "derandomize": True}


@hypothesis.settings(max_examples=20, **SETTINGS)
@hypothesis.given(CHANGES)
def test_spoilt_file_loads_or_is_refused(tmp_path_factory, changes):
    folder = tmp_path_factory.getbasetemp()
    content = saved(folder, x=np.ones((2, 3)), y=Y).read_bytes()
    loads_or_is_refused(folder / "test.npz", spoil(content, changes))


@pytest.mark.slow
@hypothesis.settings(max_examples=1000, **SETTINGS)
@hypothesis.given(CHANGES)
def test_spoilt_array_whose_checksum_fits_loads_or_is_refused(tmp_path_factory, changes):
    x = header((2, 3)) + np.ones((2, 3), np.float32).tobytes()
    path = tmp_path_factory.getbasetemp() / "test.npz"
    loads_or_is_refused(path, packed(path, spoil(x, changes)).read_bytes())
