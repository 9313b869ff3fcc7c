"""Tables of TFDS, which is imported only when one is read: it takes seconds."""

import dataclasses

import numpy as np

from kegnet_tf.datasets import images


@dataclasses.dataclass(frozen=True)
class TableDataset:
    """A table of TFDS, in raw rows: the teacher's first layer standardises them.

    Attributes:
        name: name of the TFDS builder, of supervised examples (features, label).
        num_features: length of a row.
        label_names: one name per class, in the order of the labels.
        splits: TFDS's split expression for each of "train", "valid" and "test".
        source_dir: folder with the archive's raw files, which `load` then builds the data set from,
            without the network; "" for none. For the builders of `kegnet_tf.datasets` only.
    """

    name: str
    num_features: int
    label_names: tuple[str, ...]
    splits: dict[str, str]
    source_dir: str = ""

    @property
    def input_shape(self) -> tuple[int]:
        """Of one example: (features,)."""
        return (self.num_features,)

    def is_prepared(self) -> bool:
        """Whether the data lie in TFDS's folder (`TFDS_DATA_DIR`) already.

        Raises:
            ValueError: if TFDS knows no data set of this name.
        """
        return images.known(_tfds(), self.name).is_prepared()

    def load(self, split: str, download: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Reads one split into memory.

        Args:
            split: "train", "valid" or "test".
            download: whether TFDS may fetch and prepare what is missing.

        Returns:
            (x, label): float32 rows, [size, features], as they are in the source, and int64 labels,
            [size].

        Raises:
            ValueError: if `split` is not known, the data are absent, there is no `source_dir` and
                `download` is false, or the raw files are not as they should be, or not those
                that the data were prepared from.
        """
        if split not in self.splits:
            raise ValueError(f"`split` must be one of {sorted(self.splits)}. Received: {split!r}.")
        if not (download or self.source_dir or self.is_prepared()):
            raise ValueError(
                f"`TFDS_DATA_DIR` must hold {self.name!r}, or `download` be true, or `source_dir` "
                "be the folder of its raw files. Received: nothing found."
            )
        origin = {"source_dir": self.source_dir} if self.source_dir else {}
        if origin:
            _tfds().builder(self.name, **origin).check_raw_files()
        data = _tfds().load(
            self.name,
            split=self.splits[split],
            download=bool(download or self.source_dir),
            as_supervised=True,
            builder_kwargs=origin or None,
        )
        x, label = zip(*data.batch(1000).as_numpy_iterator(), strict=True)
        return np.concatenate(x), np.concatenate(label)


def _tfds():
    """TFDS, which knows our builders by name as soon as they are imported."""
    import tensorflow_datasets as tfds

    from kegnet_tf.datasets.letter import letter_dataset_builder  # noqa: F401
    from kegnet_tf.datasets.pendigits import pendigits_dataset_builder  # noqa: F401
    from kegnet_tf.datasets.shuttle import shuttle_dataset_builder  # noqa: F401

    return tfds
