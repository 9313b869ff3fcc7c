import zipfile

import numpy as np


def load(path, input_shape, num_classes, mean=(), std=()):
    """Reads a user's own test data from a `.npz` file.

    Args:
        path: of a file with arrays `x`, [size, *input_shape], uint8 or float, and `y`, [size],
            integers in [0, num_classes). Without `mean`, `x` is what the model eats.
        input_shape: of one example.
        num_classes: how many classes there are.
        mean: what is subtracted, one number or one for each channel, after uint8 was brought to
            [0, 1]; empty for nothing.
        std: what is divided by afterwards, likewise.

    Returns:
        (x, label): float32, [size, *input_shape], and int64, [size].

    Raises:
        ValueError: if the file is not of that kind.
    """

    def refuse(rule, found):
        raise ValueError(f"`eval_data` must {rule}. Received: {found} in {path}.")

    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (AttributeError, EOFError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"`eval_data` must be a .npz file. Received: {path} ({error})") from error
    if not {"x", "y"} <= found.keys():
        refuse("hold arrays 'x' and 'y'", sorted(found))
    x, y = found["x"], found["y"]
    if x.shape[1:] != tuple(input_shape) or not len(x):
        refuse(f"hold 'x' of shape [size, {str(tuple(input_shape))[1:-1].rstrip(',')}]", x.shape)
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        refuse("hold 'x' of uint8 or float", x.dtype)
    if not np.isfinite(x).all():
        refuse("hold finite 'x'", "NaN or infinity")
    if y.shape != x.shape[:1] or y.dtype.kind not in "iu":
        refuse("hold one integer in 'y' for each of 'x'", f"{y.dtype} of shape {y.shape}")
    if y.min() < 0 or y.max() >= num_classes:
        refuse(f"hold 'y' in [0, {num_classes - 1}]", f"{y.min()} to {y.max()}")
    scale = 255.0 if x.dtype == np.uint8 else 1.0
    x = x.astype(np.float32)
    if len(mean):
        x = (x / np.float32(scale) - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return x, y.astype(np.int64)
