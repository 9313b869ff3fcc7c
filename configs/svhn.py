"""SVHN with ResNet14 (the paper's Table 3).

    kegnet-teacher --dataset=svhn --output=svhn.keras
    kegnet --dataset=svhn --teacher=svhn.keras

Some 40 minutes on two busy cores. Students of the authors' teacher at 87.7, 91.8 and 86.1 %,
teacher 93.3 %, on a grey stand-in for the test set. docs/results.md has more.
"""

from ml_collections import ConfigDict

from kegnet_tf.configs import base


def get_config(mode=""):
    quick, paper = base.parse(mode)
    config = base.get_config(mode)
    config.network = "resnet14"
    config.data = ConfigDict(
        {
            "name": "svhn_cropped",
            "image_shape": (32, 32, 3),
            "label_names": tuple("0123456789"),
            "mean": (0.4378, 0.4439, 0.4729),  # release
            "std": (0.1980, 0.2011, 0.1971),  # release
            # Sizes of the paper's Table 1.
            "splits": {"train": "train[:68257]", "valid": "train[68257:]", "test": "test"},
        }
    )
    # The ranks that VBMF gives on the paper's teacher.
    first = {"stage3_block1_conv1": (2, 2), "stage3_block2_conv1": (10, 9)}
    second = {"stage3_block1_conv2": (8, 7), "stage3_block2_conv2": (21, 10)}
    config.students = ConfigDict(
        {
            "student1": {"ranks": first},
            "student2": {"ranks": second},
            "student3": {"ranks": {**first, **second}},
        }
    )
    config.training.update(epochs=20, batch_size=128, learning_rate=2e-3)  # as for Fashion
    config.training.update(weight_decay=0.05, shift=0.1)  # ours; digits are not mirrored
    config.decoder.hidden_layers = 3  # paper
    config.extraction.beta = 1.0  # paper
    if paper:
        config.extraction.learning_rate = 1e-2  # release
        config.batch_size = 64  # release
        config.distillation.batch_norm = "training"  # ours: in inference mode students do not learn
    if paper and not quick:
        config.extraction.epochs = 8  # ours, for time alone; release: 200
        config.distillation.epochs = 15  # ours, for time alone
    return config
