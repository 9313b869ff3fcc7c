import string

import numpy as np
import tensorflow_datasets as tfds

from kegnet_tf.datasets import uci

_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/pendigits/"


class Builder(uci.TableBuilder):
    """Pen-Based Recognition of Handwritten Digits, with the archive's training and test files."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    SIZES = {"train": 7494, "test": 3498}

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "features": tfds.features.Tensor(shape=(16,), dtype=np.float32),
                    "label": tfds.features.ClassLabel(names=list(string.digits)),
                }
            ),
            supervised_keys=("features", "label"),
            homepage=(
                "https://archive.ics.uci.edu/dataset/81/pen+based+recognition+of+handwritten+digits"
            ),
            license="CC BY 4.0",
        )

    def _split_generators(self, dl_manager):
        urls = {"train": f"{_URL}pendigits.tra", "test": f"{_URL}pendigits.tes"}
        paths = self.raw_files(dl_manager, urls)
        return {
            split: self._generate_examples(path, self.SIZES[split]) for split, path in paths.items()
        }

    def _generate_examples(self, path, size):
        names = self.info.features["label"].names
        rows = uci.read(path, size=size, features=16, low=0, high=100, label_names=names)
        for number, (x, label) in enumerate(zip(*rows, strict=True)):
            yield number, {"features": x.astype(np.float32), "label": label}
