"""A user's own pictures, from folders of files, read as Keras reads them."""

import math
import os
import re
import textwrap
from collections.abc import Sequence

import keras
import numpy as np
import psutil
import tensorflow as tf

FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")  # endings of the files that Keras lists
_COLOURS = {1: "grayscale", 3: "rgb"}  # by channels


def class_names(path: str | os.PathLike) -> tuple[str, ...]:
    """Names of the class folders in a folder, sorted; those that begin with a dot are none."""
    with os.scandir(path) as entries:
        names = [entry.name for entry in entries if entry.is_dir()]
    return tuple(sorted(name for name in names if not name.startswith(".")))


def load_class_folders(
    path: str | os.PathLike,
    input_shape: Sequence[int],
    num_classes: int,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    label_names: Sequence[str] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Reads a user's own test data from a folder that holds a folder of pictures for each class.

    Pictures are JPEG, PNG, BMP or GIF files (of these the first frame), at any depth below their
    class. They are cropped around the middle to the proportions of the input, and resized.

    Args:
        path: of the folder. Links in it may not lead out of it.
        input_shape: (height, width, channels) of the classifier, with 1 or 3 channels.
        num_classes: how many classes there are.
        mean: what is subtracted, one number or one for each channel, after pixels were brought to
            [0, 1]; empty for pixels from 0 to 255, as a model with its own preprocessing expects.
        std: what is divided by afterwards, one number or one for each channel.
        label_names: of the classes. Where the folders have just these names, they tell the label;
            otherwise it is the place of the folder's name among all, sorted.

    Returns:
        (x, label): float32, [size, *input_shape], and int64, [size].

    Raises:
        ValueError: if the folder is not of that kind, or the pictures do not fit in memory.
    """
    _check("eval_data", path, input_shape)
    names = class_names(path)
    if len(names) != num_classes:
        _refuse("eval_data", f"hold {num_classes} class folders", len(names), path)
    for name in names:
        if not name.isprintable():
            _refuse("eval_data", "name each class on one line", repr(name), path)
    if sorted(label_names) == list(names):
        names = tuple(label_names)
    for name in names:
        if not _holds_pictures(os.path.join(path, name)):
            rule = f"hold pictures ({', '.join(FORMATS)}) of each class"
            _refuse("eval_data", rule, f"none of {name!r}", path)
    return _read("eval_data", path, input_shape, (mean, std), names)


def load_pictures(
    path: str | os.PathLike,
    input_shape: Sequence[int],
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    argument: str = "unlabeled",
) -> np.ndarray:
    """Reads pictures without labels, at any depth of a folder.

    Args:
        path: as in `load_class_folders`, and so are the others.
        input_shape: same as above.
        mean: same as above.
        std: same as above.
        argument: what a refusal calls the folder.

    Returns:
        float32, [size, *input_shape].

    Raises:
        ValueError: as there.
    """
    _check(argument, path, input_shape)
    if not _holds_pictures(path):
        _refuse(argument, f"hold pictures ({', '.join(FORMATS)})", "none", path)
    x, _ = _read(argument, path, input_shape, (mean, std))
    return x


def _refuse(argument, rule, found, path):
    raise ValueError(f"`{argument}` must {rule}. Received: {found} in {path}.")


def _check(argument, path, input_shape):
    if not os.path.isdir(path):
        rule = "be a .npz file or a folder of pictures"
        raise ValueError(f"`{argument}` must {rule}. Received: {path}, which is neither.")
    if len(input_shape) != 3 or input_shape[-1] not in _COLOURS:
        rule = "be a .npz file where the input is no image of 1 or 3 channels"
        shape = tuple(input_shape)
        raise ValueError(f"`{argument}` must {rule}. Received: {path}, for inputs of {shape}.")


def _holds_pictures(folder):
    names = (name for _, _, files in os.walk(folder) for name in files)
    return any(name.lower().endswith(FORMATS) for name in names)


def _read(argument, path, input_shape, scale, names=None):
    """(x, label) of all pictures; without names of classes, all labels are 0."""
    height, width, channels = input_shape
    root = os.path.realpath(path)  # absolute: no part of it can be taken for another protocol's
    data = keras.utils.image_dataset_from_directory(
        root,
        labels="inferred" if names else None,
        label_mode="int" if names else None,
        class_names=names and list(names),
        color_mode=_COLOURS[channels],
        batch_size=None,
        image_size=(height, width),
        shuffle=False,
        seed=0,  # not used, but drawn from numpy's global generator otherwise
        crop_to_aspect_ratio=True,
        data_format="channels_last",
        verbose=False,
    )
    files = data.file_paths
    _check_files(argument, path, root, files)
    # As they are, and standardised.
    needed = 8 * len(files) * math.prod(input_shape)
    free = psutil.virtual_memory().available
    if needed > free:
        found = f"{needed:.3g} bytes, where {free:.3g} are free,"
        _refuse(argument, "fit in memory", found, path)
    x = np.empty((len(files), *input_shape), np.float32)
    label = np.zeros(len(files), np.int64)
    examples = iter(data)
    for index, file in enumerate(files):
        try:
            example = next(examples)  # in the order of the files
        except tf.errors.OpError as error:
            found = f"{os.path.relpath(file, root)} ({_reason(error)})"
            _refuse(argument, "hold pictures that can be read", found, path)
        image, label[index] = example if names else (example, 0)
        x[index] = image
    mean, std = (np.asarray(part, np.float32) for part in scale)
    if len(mean):
        x /= np.float32(255)
        x -= mean
        x /= std
    return x, label


def _check_files(argument, path, root, files):
    """Refuses links that lead out of the folder, and what could be read without end."""
    for file in files:
        if os.path.commonpath((root, os.path.realpath(file))) != root:
            found = os.path.relpath(file, root)
            _refuse(argument, "hold no links that lead out of it", found, path)
        if not os.path.isfile(file):
            found = os.path.relpath(file, root)
            _refuse(argument, "hold pictures that are regular files", found, path)


def _reason(error):
    """What TensorFlow says of a picture, without the operations that say it."""
    first = re.sub(r"\{\{.*?\}\}", "", error.message).strip().partition("\n")[0]
    first = re.sub(r"^Error in user-defined function.*?::\w+: ", "", first)
    return textwrap.shorten(first, 200).rstrip(".")
