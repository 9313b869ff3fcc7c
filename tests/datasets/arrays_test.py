import numpy as np
import pytest

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
