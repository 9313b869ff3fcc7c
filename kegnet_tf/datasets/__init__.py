"""Real data, for training teachers and for measuring what came out, and a user's own pictures."""

from kegnet_tf.datasets.arrays import load_arrays, load_examples
from kegnet_tf.datasets.folders import class_names, load_class_folders, load_pictures
from kegnet_tf.datasets.images import ImageDataset
from kegnet_tf.datasets.tables import TableDataset

__all__ = [
    "ImageDataset",
    "TableDataset",
    "class_names",
    "load_arrays",
    "load_class_folders",
    "load_examples",
    "load_pictures",
]
