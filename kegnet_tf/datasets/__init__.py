"""Real data, for training teachers and for measuring what came out; nothing that learns sees it."""

from kegnet_tf.datasets.arrays import load_arrays, load_examples
from kegnet_tf.datasets.images import ImageDataset
from kegnet_tf.datasets.tables import TableDataset

__all__ = ["ImageDataset", "TableDataset", "load_arrays", "load_examples"]
