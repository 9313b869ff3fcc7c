"""A run's folder: every file whole or absent, and no file touched that no run wrote."""

import contextlib
import csv
import dataclasses
import json
import logging
import os
import pathlib
import re
import secrets
import shutil
from collections.abc import Iterator

from kegnet_tf.extraction import partial_name

logger = logging.getLogger(__name__)
_TOKEN = re.compile("[0-9a-f]{16}")


@contextlib.contextmanager
def whole(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary name beside `path` that becomes `path` if nothing was raised.

    The temporary name keeps the suffix; what stands there is removed if something was raised. A
    file takes the place of an older one, a folder that of an empty one at most.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_name(path)
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        _remove(partial)
        raise


def check_new(argument: str, *paths: str | os.PathLike) -> None:
    """Refuses to write over what stands there.

    Args:
        argument: what a path was given as.
        *paths: of files.

    Raises:
        ValueError: if there is something at a path.
    """
    for path in paths:
        if os.path.lexists(path):
            raise ValueError(f"`{argument}` must be a new file. Received: {path}, which exists.")


def sweep(folder: pathlib.Path, writer: str) -> None:
    """Removes what a process left unfinished when it was killed.

    Args:
        folder: path; folders in it are searched too.
        writer: the process's `extraction.WRITER`.
    """
    if _TOKEN.fullmatch(writer):  # nothing else is a pattern of our names alone
        for path in [*folder.rglob(f"partial-{writer}-*")]:
            _remove(path)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)  # of a name that a random number makes ours
    else:
        path.unlink(missing_ok=True)


def set_aside(reason: str, *paths: pathlib.Path) -> list[pathlib.Path]:
    """Renames what stands where a run writes, so that nothing is lost; a warning says so.

    Args:
        reason: why, as the end of the sentence "PATH ...".
        *paths: of files or folders, one or more.

    Returns:
        Their new paths, beside the old ones.
    """
    mark = f".set-aside-{secrets.token_hex(4)}"
    logger.warning("%s %s: kept under its name with %s.", paths[0], reason, mark)
    return [path.rename(path.with_name(path.name + mark)) for path in paths]


def write_json(path: str | os.PathLike, content: object) -> None:
    """Writes `content` as indented JSON, whole or not at all; dataclasses in it become objects."""
    with whole(path) as partial:
        partial.write_text(json.dumps(content, indent=2, default=dataclasses.asdict) + "\n")


def read_json(path: str | os.PathLike) -> object:
    """What a JSON file holds, in dictionaries and lists.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is no JSON.
    """
    try:
        return json.loads(pathlib.Path(path).read_text())
    except (RecursionError, ValueError) as error:
        raise ValueError(f"`workdir` must hold whole files. Received: {path} ({error}).") from error


def read_curves(path: str | os.PathLike) -> dict[str, list[float]]:
    """Columns by name, [epochs], of a file of `keras.callbacks.CSVLogger`, see `read_epochs`."""
    epochs = read_epochs(path)
    names = dict.fromkeys(name for line in epochs.values() for name in line)
    return {
        name: [epochs[epoch][name] for epoch in sorted(epochs) if name in epochs[epoch]]
        for name in names
    }


def read_epochs(path: str | os.PathLike) -> dict[int, dict[str, float]]:
    """Lines by epoch of a file of `keras.callbacks.CSVLogger`, numbers by name.

    An epoch that was trained again after a kill stands there twice; its last line counts. What
    was not measured ("NA") is left out, and so is a line that a kill cut.
    """
    epochs = {}
    with pathlib.Path(path).open(newline="", errors="replace") as file:
        for line in csv.DictReader(file):
            try:
                numbers = {name: float(value) for name, value in line.items() if value != "NA"}
                epochs[int(numbers.pop("epoch"))] = numbers
            except (KeyError, TypeError, ValueError):
                logger.warning("%s holds a line that is not whole; it is left out.", path)
    return epochs
