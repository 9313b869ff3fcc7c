r"""Letter with the multilayer perceptron (the paper's Table 2).

bin/kegnet-teacher --dataset=letter --output=letter.keras
bin/kegnet --dataset=letter
"""

import string

from kegnet_tf.configs import base


def get_config(mode=""):
    # Rows: the paper's Table 1. Rank: its text.
    config = base.get_table_config(
        mode, "letter", string.ascii_uppercase, num_features=16, num_train=14000, rank=10
    )
    config.training.update(epochs=100, batch_size=128, learning_rate=3e-3)  # ours
    return config
