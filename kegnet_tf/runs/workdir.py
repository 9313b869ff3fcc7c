"""A run's folder: every file whole or absent, and one configuration for all of them."""

import contextlib
import csv
import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping

LAYOUT = 2  # of what a run's folder holds; in `config.json`, so that another one is refused


@contextlib.contextmanager
def whole(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary name beside `path` that becomes `path` if nothing was raised.

    The temporary name keeps the suffix; what an earlier, killed process left there is removed, and
    so is what stands there if something was raised. A folder takes the place of an older one.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    _remove(partial)
    try:
        yield partial
        if partial.is_dir() and path.is_dir():
            shutil.rmtree(path)
        os.replace(partial, path)
    except BaseException:
        _remove(partial)
        raise


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, content: object) -> None:
    """Writes `content` as indented JSON, whole or not at all; dataclasses in it become objects."""
    with whole(path) as partial:
        partial.write_text(json.dumps(content, indent=2, default=dataclasses.asdict) + "\n")


def read_json(path: str | os.PathLike) -> object:
    """What a JSON file holds, in dictionaries and lists."""
    return json.loads(pathlib.Path(path).read_text())


def read_curves(path: str | os.PathLike) -> dict[str, list[float]]:
    """Columns by name, [epochs], of a file of `keras.callbacks.CSVLogger`.

    An epoch that was trained again after a kill stands there twice; its last line counts. What
    was not measured ("NA") is left out.
    """
    with pathlib.Path(path).open(newline="") as file:
        epochs = {int(line.pop("epoch")): line for line in csv.DictReader(file)}
    names = [name for name, value in epochs[0].items() if value != "NA"]
    return {name: [float(epochs[epoch][name]) for epoch in sorted(epochs)] for name in names}


def claim(folder: str | os.PathLike, identity: Mapping) -> None:
    """Makes `folder` the place of one run, which its `config.json` identifies.

    Args:
        folder: path; made where it is missing.
        identity: nested dictionaries of what a run's results depend on; `LAYOUT` is added.

    Raises:
        ValueError: if the folder is another run's, where the message names the first difference,
            or was made by another version.
    """
    path = pathlib.Path(folder) / "config.json"
    identity = json.loads(json.dumps({"layout": LAYOUT, **identity}))  # tuples read back as lists
    if not path.exists():
        write_json(path, identity)
        return
    before, now = _flat(read_identity(folder)), _flat(identity)
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            raise ValueError(
                f"`workdir` must be new or hold a run of this configuration. Received: {folder}, "
                f"where {key} is {before.get(key)!r}, not {now.get(key)!r}."
            )


def read_identity(folder: str | os.PathLike) -> dict:
    """What `claim` wrote to a folder.

    Raises:
        OSError: if nothing was claimed there.
        ValueError: if another version did it.
    """
    identity = read_json(pathlib.Path(folder) / "config.json")
    layout = identity.get("layout", 1) if isinstance(identity, dict) else 1
    if layout != LAYOUT:
        raise ValueError(
            f"`workdir` must be new or hold a run of this version of kegnet_tf. Received: {folder}"
            f", made by {'an older' if layout < LAYOUT else 'a newer'} one."
        )
    return identity


def _flat(tree, prefix=""):
    if not isinstance(tree, dict):
        return {prefix: tree}
    dot = f"{prefix}." if prefix else ""
    return {key: leaf for name in tree for key, leaf in _flat(tree[name], dot + name).items()}
