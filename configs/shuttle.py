r"""Statlog (Shuttle) with the multilayer perceptron (the paper's Table 2).

bin/kegnet-teacher --dataset=shuttle --output=shuttle.keras
bin/kegnet --dataset=shuttle
"""

from ml_collections import ConfigDict

from kegnet_tf.configs import base

LABELS = "Rad Flow,Fpv Close,Fpv Open,High,Bypass,Bpv Close,Bpv Open"


def get_config(mode=""):
    config = base.get_config(mode)
    config.teacher = "shuttle"
    config.network = "mlp"
    config.loader = "tables"
    config.data = ConfigDict(
        {  # kegnet_tf.datasets.tables.TableDataset
            "name": "shuttle",
            "num_features": 8,  # paper: all but the time
            "label_names": tuple(LABELS.split(",")),
            # Sizes of the paper's Table 1.
            "splits": {"train": "train[:38062]", "valid": "train[38062:]", "test": "test"},
        }
    )
    # The paper's rank 5; the input and the output keep their widths, as its ratio of 8.17 tells.
    ranks = {f"fc{number}": (5, 5) for number in range(2, 12)}
    ranks |= {"fc1": (8, 5), "fc12": (5, 7)}
    config.students = ConfigDict({"student": {"ranks": ranks}})
    config.training.update(epochs=120, batch_size=256, learning_rate=1e-3)  # ours
    config.training.weight_decay = 0.01  # ours
    config.extraction.learning_rate = 1e-4  # release
    config.decoder.hidden_layers = 2  # paper
    if mode != "quick":
        config.num_seeds = 5  # paper
    return config
