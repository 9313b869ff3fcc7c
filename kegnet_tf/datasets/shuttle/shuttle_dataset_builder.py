import numpy as np
import tensorflow_datasets as tfds

from kegnet_tf.datasets import uci

_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/statlog/shuttle/"
_NAMES = ["Rad Flow", "Fpv Close", "Fpv Open", "High", "Bypass", "Bpv Close", "Bpv Open"]
_EXTREMES = {"low": -26739, "high": 15164}  # of both files


class Builder(uci.TableBuilder):
    """Statlog (Shuttle) without its first column, the time, as in Table 1 of the KegNet paper."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    SIZES = {"train": 43500, "test": 14500}

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "features": tfds.features.Tensor(shape=(8,), dtype=np.float32),
                    "label": tfds.features.ClassLabel(names=_NAMES),
                }
            ),
            supervised_keys=("features", "label"),
            homepage="https://archive.ics.uci.edu/dataset/148/statlog+shuttle",
            license="CC BY 4.0",
        )

    def _split_generators(self, dl_manager):
        urls = {"train": f"{_URL}shuttle.trn.Z", "test": f"{_URL}shuttle.tst"}
        paths = self.raw_files(dl_manager, urls)
        return {
            split: self._generate_examples(path, self.SIZES[split]) for split, path in paths.items()
        }

    def _generate_examples(self, path, size):
        codes = {str(code): name for code, name in enumerate(_NAMES, 1)}
        rows = uci.read(path, size=size, features=9, label_names=codes, **_EXTREMES)
        for number, (x, code) in enumerate(zip(*rows, strict=True)):
            yield number, {"features": x[1:].astype(np.float32), "label": codes[code]}
