"""Letter with the multilayer perceptron (the paper's Table 2).

    kegnet-teacher --dataset=letter --output=letter.keras
    kegnet --dataset=letter

Some 8 minutes on two busy cores, with five students. They are at 85.5 %, the teacher at 96.0 %.
docs/results.md has more.
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
