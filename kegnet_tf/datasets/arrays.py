"""A user's own data, from `.npz` files."""

import os
import zipfile
from collections.abc import Sequence

import numpy as np


def load_arrays(
    path: str | os.PathLike,
    input_shape: Sequence[int],
    num_classes: int,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Reads a user's own test data from a `.npz` file.

    Args:
        path: of a file with arrays `x`, [size, *input_shape], uint8 or float, and `y`, [size],
            integers in [0, num_classes). Without `mean`, `x` is what the model expects.
        input_shape: of one example.
        num_classes: how many classes there are.
        mean: what is subtracted, one number or one for each channel, after uint8 was brought to
            [0, 1]; empty for nothing.
        std: what is divided by afterwards, one number or one for each channel.

    Returns:
        (x, label): float32, [size, *input_shape], and int64, [size].

    Raises:
        ValueError: if the file is not of that kind.
    """
    found = _read("eval_data", path, ("x", "y"))
    x, y = _standardised("eval_data", path, found["x"], input_shape, mean, std), found["y"]
    if y.shape != x.shape[:1] or y.dtype.kind not in "iu":
        found = f"{y.dtype} of shape {y.shape}"
        _refuse("eval_data", "hold one integer in 'y' for each of 'x'", found, path)
    if y.min() < 0 or y.max() >= num_classes:
        found = f"{y.min()} to {y.max()}"
        _refuse("eval_data", f"hold 'y' in [0, {num_classes - 1}]", found, path)
    return x, y.astype(np.int64)


def load_examples(
    path: str | os.PathLike,
    input_shape: Sequence[int],
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
) -> np.ndarray:
    """Reads data without labels, to calibrate on, from the `x` of such a file.

    Args:
        path: as in `load_arrays`.
        input_shape: of one example.
        mean: what is subtracted, as in `load_arrays`.
        std: what is divided by afterwards, as in `load_arrays`.

    Returns:
        float32, [size, *input_shape].

    Raises:
        ValueError: if the file is not of that kind.
    """
    x = _read("calibration", path, ("x",))["x"]
    return _standardised("calibration", path, x, input_shape, mean, std)


def _refuse(argument, rule, found, path):
    raise ValueError(f"`{argument}` must {rule}. Received: {found} in {path}.")


def _read(argument, path, names):
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (AttributeError, EOFError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"`{argument}` must be a .npz file. Received: {path} ({error})") from error
    if not {*names} <= found.keys():
        arrays = " and ".join(map(repr, names))
        _refuse(argument, f"hold array{'s' * (len(names) > 1)} {arrays}", sorted(found), path)
    return found


def _standardised(argument, path, x, input_shape, mean, std):
    if x.shape[1:] != tuple(input_shape) or not len(x):
        rule = f"hold 'x' of shape [size, {str(tuple(input_shape))[1:-1].rstrip(',')}]"
        _refuse(argument, rule, x.shape, path)
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        _refuse(argument, "hold 'x' of uint8 or float", x.dtype, path)
    if not np.isfinite(x).all():
        _refuse(argument, "hold finite 'x'", "NaN or infinity", path)
    scale = 255.0 if x.dtype == np.uint8 else 1.0
    x = x.astype(np.float32)
    if len(mean):
        x = (x / np.float32(scale) - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return x
