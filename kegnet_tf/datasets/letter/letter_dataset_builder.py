import string

import numpy as np
import tensorflow_datasets as tfds

from kegnet_tf.datasets import uci

_URL = (
    "https://archive.ics.uci.edu/ml/machine-learning-databases/letter-recognition/"
    "letter-recognition.data"
)


class Builder(uci.TableBuilder):
    """Letter Recognition: the first 16,000 rows train, the last 4,000 test, as the archive says."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    SIZES = {"train": 16000, "test": 4000}

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "features": tfds.features.Tensor(shape=(16,), dtype=np.float32),
                    "label": tfds.features.ClassLabel(names=list(string.ascii_uppercase)),
                }
            ),
            supervised_keys=("features", "label"),
            homepage="https://archive.ics.uci.edu/dataset/59/letter+recognition",
            license="CC BY 4.0",
        )

    def _split_generators(self, dl_manager):
        path = self.raw_files(dl_manager, {"all": _URL})["all"]
        train, size = self.SIZES["train"], sum(self.SIZES.values())
        return {
            "train": self._generate_examples(path, range(train)),
            "test": self._generate_examples(path, range(train, size)),
        }

    def _generate_examples(self, path, numbers):
        names = self.info.features["label"].names
        x, label = uci.read(
            path,
            size=sum(self.SIZES.values()),
            features=16,
            low=0,
            high=15,
            label_names=names,
            label_first=True,
        )
        for number in numbers:
            yield number, {"features": x[number].astype(np.float32), "label": label[number]}
