"""A user's own data, from `.npz` files."""

import math
import os
import stat
import zipfile
from collections.abc import Sequence

import numpy as np
import psutil

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


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
        ValueError: if the file is not of that kind, or does not fit in memory.
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
    argument: str = "calibration",
) -> np.ndarray:
    """Reads data without labels from the `x` of such a file.

    Args:
        path: as in `load_arrays`.
        input_shape: of one example.
        mean: what is subtracted, as in `load_arrays`.
        std: what is divided by afterwards, as in `load_arrays`.
        argument: what a refusal calls the file.

    Returns:
        float32, [size, *input_shape].

    Raises:
        ValueError: if the file is not of that kind, or does not fit in memory.
    """
    x = _read(argument, path, ("x",))["x"]
    return _standardised(argument, path, x, input_shape, mean, std)


def _refuse(argument, rule, found, path):
    raise ValueError(f"`{argument}` must {rule}. Received: {found} in {path}.")


def _read(argument, path, names):
    """Arrays by name, once it is sure that the file holds them and memory does."""
    found, needed, free = {}, 0, psutil.virtual_memory().available
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe or a device may never end
            raise ValueError("it is no regular file")
        with zipfile.ZipFile(path) as file:
            present = [name.removesuffix(".npy") for name in file.namelist()]
            if {*names} <= {*present}:
                needed = sum(_needed(file, f"{name}.npy") for name in names)
        if {*names} <= {*present} and needed <= free:
            with np.load(path, allow_pickle=False) as file:
                found = {name: file[name] for name in names}
    except Exception as error:  # a broken file can make zipfile and numpy raise anything
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        rule = "be a .npz file"
        raise ValueError(f"`{argument}` must {rule}. Received: {path} ({reason}).") from error
    if needed > free:
        _refuse(argument, "fit in memory", f"{needed:.3g} bytes, where {free:.3g} are free,", path)
    if not found:
        arrays = " and ".join(map(repr, names))
        _refuse(argument, f"hold array{'s' * (len(names) > 1)} {arrays}", sorted(present), path)
    return found


def _needed(file, name):
    """Bytes that an array takes, as it is and twice in float32: as it is, and standardised."""
    info = file.getinfo(name)
    with file.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version not in _HEADERS:
            raise ValueError(f"{name} is of format {version}")
        shape, _, dtype = _HEADERS[version](member)
        declared, stored = math.prod(shape) * dtype.itemsize, info.file_size - member.tell()
    if not dtype.hasobject and declared != stored:  # numpy refuses objects by itself
        raise ValueError(f"{name} declares {declared} bytes and holds {stored}")
    return max(declared, stored) + 8 * math.prod(shape)


def _standardised(argument, path, x, input_shape, mean, std):
    if x.shape[1:] != tuple(input_shape) or not len(x):
        rule = f"hold 'x' of shape [size, {str(tuple(input_shape))[1:-1].rstrip(',')}]"
        _refuse(argument, rule, x.shape, path)
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        _refuse(argument, "hold 'x' of uint8 or float", x.dtype, path)
    if not np.isfinite(x).all():
        _refuse(argument, "hold finite 'x'", "NaN or infinity", path)
    scale = 255.0 if x.dtype == np.uint8 else 1.0
    largest = np.abs(x).max()
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
        if len(mean):
            mean, std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
            x = (x / np.float32(scale) - mean) / std
    if not np.isfinite(x).all():
        _refuse(argument, "hold 'x' that float32 holds, standardised", f"{largest:.3g}", path)
    return x
