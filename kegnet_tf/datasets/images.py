"""Image data sets of TFDS, which is imported only when one is read: it takes seconds."""

import dataclasses

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class ImageDataset:
    """An image data set of TFDS, as a classifier expects it.

    Attributes:
        name: name of the TFDS builder.
        image_shape: (height, width, channels) after resizing.
        label_names: one name per class, in the order of the labels.
        mean: mean of the training images in [0, 1], one per channel.
        std: their standard deviation, one per channel.
        splits: TFDS's split expression for each of "train", "valid" and "test".
    """

    name: str
    image_shape: tuple[int, int, int]
    label_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    splits: dict[str, str]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Of one example: (height, width, channels)."""
        return tuple(self.image_shape)

    def is_prepared(self) -> bool:
        """Whether the data lie in TFDS's folder (`TFDS_DATA_DIR`) already.

        Raises:
            ValueError: if TFDS knows no data set of this name.
        """
        import tensorflow_datasets as tfds

        return known(tfds, self.name).is_prepared()

    def load(self, split: str, download: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Reads one split into memory.

        Args:
            split: "train", "valid" or "test".
            download: whether TFDS may fetch and prepare what is missing.

        Returns:
            (x, label): float32 images, [size, height, width, channels], standardised, and int64
            labels, [size].

        Raises:
            ValueError: if `split` is not known, or the data are absent and `download` is false.
        """
        import tensorflow_datasets as tfds

        if split not in self.splits:
            raise ValueError(f"`split` must be one of {sorted(self.splits)}. Received: {split!r}.")
        if not download and not self.is_prepared():
            raise ValueError(
                f"`TFDS_DATA_DIR` must hold {self.name!r}, or `download` be true. "
                "Received: nothing found."
            )
        data = tfds.load(self.name, split=self.splits[split], download=download, as_supervised=True)
        batches = list(data.batch(1000).map(self._standardise).as_numpy_iterator())
        x, label = zip(*batches, strict=True)
        return np.concatenate(x), np.concatenate(label)

    def _standardise(self, image, label):
        x = tf.image.resize(tf.cast(image, tf.float32) / 255.0, self.image_shape[:2])
        return (x - tf.constant(self.mean)) / tf.constant(self.std), label


def known(tfds, name):
    """TFDS's builder of this name.

    Raises:
        ValueError: if there is none.
    """
    try:
        return tfds.builder(name)
    except ValueError as error:  # its text lists all that there are
        raise ValueError(f"`data.name` must be a data set of TFDS. Received: {name!r}.") from error
