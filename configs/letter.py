r"""Letter with the multilayer perceptron (the paper's Table 2).

bin/kegnet-teacher --dataset=letter --output=letter.keras
bin/kegnet --dataset=letter
"""

import string

from ml_collections import ConfigDict

from kegnet_tf.configs import base


def get_config(mode=""):
    config = base.get_config(mode)
    config.teacher = "letter"
    config.network = "mlp"
    config.loader = "tables"
    config.data = ConfigDict(
        {  # kegnet_tf.datasets.tables.TableDataset
            "name": "letter",
            "num_features": 16,
            "label_names": tuple(string.ascii_uppercase),
            # Sizes of the paper's Table 1.
            "splits": {"train": "train[:14000]", "valid": "train[14000:]", "test": "test"},
        }
    )
    # The paper's rank 10; the input and the output keep their widths, as its ratio of 4.13 tells.
    ranks = {f"fc{number}": (10, 10) for number in range(2, 12)}
    ranks |= {"fc1": (16, 10), "fc12": (10, 26)}
    config.students = ConfigDict({"student": {"ranks": ranks}})
    config.training.update(epochs=100, batch_size=128, learning_rate=3e-3)  # ours
    config.extraction.learning_rate = 1e-4  # release
    config.decoder.hidden_layers = 2  # paper
    if mode != "quick":
        config.num_seeds = 5  # paper
    return config
