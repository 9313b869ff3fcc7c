r"""PenDigits with the multilayer perceptron (the paper's Table 2).

bin/kegnet-teacher --dataset=pendigits --output=pendigits.keras
bin/kegnet --dataset=pendigits
"""

from ml_collections import ConfigDict

from kegnet_tf.configs import base


def get_config(mode=""):
    config = base.get_config(mode)
    config.teacher = "pendigits"
    config.network = "mlp"
    config.loader = "tables"
    config.data = ConfigDict(
        {  # kegnet_tf.datasets.tables.TableDataset
            "name": "pendigits",
            "num_features": 16,
            "label_names": tuple("0123456789"),
            # Sizes of the paper's Table 1.
            "splits": {"train": "train[:6557]", "valid": "train[6557:]", "test": "test"},
        }
    )
    # The paper's rank 5; the input and the output keep their widths, as its ratio of 8.07 tells.
    ranks = {f"fc{number}": (5, 5) for number in range(2, 12)}
    ranks |= {"fc1": (16, 5), "fc12": (5, 10)}
    config.students = ConfigDict({"student": {"ranks": ranks}})
    config.training.update(epochs=100, batch_size=128, learning_rate=3e-3)  # ours
    config.extraction.learning_rate = 1e-4  # release
    config.decoder.hidden_layers = 2  # paper
    if mode != "quick":
        config.num_seeds = 5  # paper
    return config
