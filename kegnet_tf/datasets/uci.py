"""What the builders of tables from the UCI archive share."""

import hashlib
import os
import pathlib
from collections.abc import Collection

import numpy as np
import tensorflow_datasets as tfds

from kegnet_tf.datasets import lzw

_LONGEST = 2**26  # bytes, many times what any of these files has


class TableBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A TFDS builder that can read its raw files from a folder in place of the network.

    The data set keeps the checksums of the raw files that it was made of, in TFDS's metadata.

    Args:
        source_dir: folder of the raw files, under the archive's names; "" to download them. The
            data set that is built is the same.
        **kwargs: of `tfds.core.GeneratorBasedBuilder`.
    """

    def __init__(self, *, source_dir: str = "", **kwargs):
        super().__init__(**kwargs)
        self._original_state["source_dir"] = source_dir  # TFDS pickles a builder by its arguments
        self.source_dir = source_dir

    def dataset_info_from_configs(self, **kwargs) -> tfds.core.DatasetInfo:
        """TFDS's, with room for the checksums."""
        return super().dataset_info_from_configs(metadata=tfds.core.MetadataDict(), **kwargs)

    def check_raw_files(self) -> None:
        """Refuses a `source_dir` beside a data set that was prepared from other raw files.

        TFDS would take that one, and never look at the folder.

        Raises:
            ValueError: if the data set is prepared, and its files are not those of the folder.
        """
        if not self.is_prepared():
            return
        recorded = self.info.metadata.get("raw_files", {"": None})
        for name, checksum in recorded.items():
            if not checksum or checksum != _checksum(self._in_source_dir(name)):
                raise ValueError(
                    f"`source_dir` must hold the raw files that {self.data_path} was made of; "
                    "without that folder, the data set is made anew. "
                    f"Received: {name and f'another {name} in '}{self.source_dir}."
                )

    def raw_files(
        self, dl_manager: tfds.download.DownloadManager, urls: dict[str, str]
    ) -> dict[str, os.PathLike]:
        """Paths of the raw files.

        Args:
            dl_manager: TFDS's.
            urls: one for each split.

        Returns:
            One for each split.

        Raises:
            ValueError: if there is a `source_dir`, and it lacks one.
        """
        names = {split: url.rpartition("/")[2] for split, url in urls.items()}
        if self.source_dir:
            paths = {split: self._in_source_dir(name) for split, name in names.items()}
        else:
            paths = dl_manager.download(urls)
        checksums = {names[split]: _checksum(path) for split, path in paths.items()}
        self.info.metadata["raw_files"] = checksums
        return paths

    def _in_source_dir(self, name):
        for found in (name.removesuffix(".Z"), name):
            path = pathlib.Path(self.source_dir) / found
            if path.is_file():
                return path
        raise ValueError(f"`source_dir` must hold {name}. Received: {self.source_dir}.")


def _content(path):
    """Bytes of a raw file, the same whether it is compressed or not."""
    path = pathlib.Path(path)
    if (size := path.stat().st_size) > _LONGEST:
        rule = f"have {_LONGEST} bytes at most"
        raise ValueError(f"`{path.name}` must {rule}. Received: {size} in {path.parent}.")
    data = path.read_bytes()
    return lzw.expand(data, _LONGEST) if data.startswith(b"\x1f\x9d") else data


def _checksum(path):
    return hashlib.sha256(_content(path)).hexdigest()


def read(
    path: str | os.PathLike,
    *,
    size: int,
    features: int,
    low: int,
    high: int,
    label_names: Collection[str],
    label_first: bool = False,
) -> tuple[np.ndarray, list[str]]:
    """Reads a raw file whole, or refuses it: nothing is made of a truncated or altered one.

    Args:
        path: of a text file, compressed by Unix `compress` or not, with numbers separated by
            commas or blanks.
        size: how many rows it must have.
        features: how many integers a row must have beside its label.
        low: the least integer that may stand there.
        high: the largest one.
        label_names: what may stand as the label.
        label_first: whether the label is the first entry of a row, not the last.

    Returns:
        (x, label): int64, [size, features], and a list of names.

    Raises:
        ValueError: if the file is not so.
    """
    path = pathlib.Path(path)

    def refuse(rule, found):
        raise ValueError(f"`{path.name}` must {rule}. Received: {found} in {path.parent}.")

    data = _content(path)
    rows = [line.replace(",", " ").split() for line in data.decode("ascii", "replace").splitlines()]
    if len(rows) != size:
        refuse(f"have {size} rows", len(rows))
    if not data.endswith(b"\n"):
        refuse("end in a whole row", repr(data[-20:]))
    for number, row in enumerate(rows, 1):
        if len(row) != features + 1:
            refuse(f"have {features + 1} entries in row {number}", len(row))
    label = [row.pop(0 if label_first else -1) for row in rows]
    if unknown := sorted({*label} - {*label_names}):
        refuse(f"have labels among {', '.join(label_names)}", unknown[0])
    try:
        x = np.array(rows, np.int64)
    except (OverflowError, ValueError) as error:
        refuse("hold integers", error)
    if x.min() < low or x.max() > high:
        refuse(f"hold integers in [{low}, {high}]", f"{x.min()} to {x.max()}")
    return x, label
