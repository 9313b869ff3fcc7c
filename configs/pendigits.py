"""PenDigits with the multilayer perceptron (the paper's Table 2).

    kegnet-teacher --dataset=pendigits --output=pendigits.keras
    kegnet --dataset=pendigits

Some 8 minutes on two busy cores, with five students. They are at 78.3 %, the teacher at 97.3 %.
docs/results.md has more.
"""

from kegnet_tf.configs import base


def get_config(mode=""):
    # Rows: the paper's Table 1. Rank: its text.
    config = base.get_table_config(
        mode, "pendigits", "0123456789", num_features=16, num_train=6557, rank=5
    )
    config.training.update(epochs=100, batch_size=128, learning_rate=3e-3)  # ours
    config.distillation.learning_rate = 3e-3  # ours, on the validation split
    return config
