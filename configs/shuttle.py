r"""Statlog (Shuttle) with the multilayer perceptron (the paper's Table 2).

bin/kegnet-teacher --dataset=shuttle --output=shuttle.keras
bin/kegnet --dataset=shuttle
"""

from kegnet_tf.configs import base

LABELS = "Rad Flow,Fpv Close,Fpv Open,High,Bypass,Bpv Close,Bpv Open"


def get_config(mode=""):
    # Rows: the paper's Table 1. Rank: its text.
    config = base.get_table_config(
        mode, "shuttle", LABELS.split(","), num_features=8, num_train=38062, rank=5
    )
    config.training.update(epochs=120, batch_size=256, learning_rate=1e-3)  # ours
    config.training.weight_decay = 0.01  # ours
    # Ours, on the validation split: 99.6 %, and 99.1 % at 1e-3 after 2,000 steps. Generators find
    # no place where the teacher answers with some of the rare classes.
    config.extraction.update(learning_rate=1e-4, epochs=10, beta=1.0)
    config.synthesis.batch_statistics = False  # likewise: 99.5 % with them
    return config
