"""CIFAR-10 with ResNet14; cifar10_mobilenet.py has a network of phones for it.

    kegnet-teacher --dataset=cifar10 --output=cifar10.keras
    kegnet --dataset=cifar10

Hours on two cores: --plan says how many. The teacher that ships has 90.4 % on the test split, after
two minutes on a GPU.
"""

from ml_collections import ConfigDict

from kegnet_tf.configs import base

LABELS = "airplane automobile bird cat deer dog frog horse ship truck"


def get_config(mode=""):
    config = base.get_config(mode)
    config.teacher = "cifar10"
    config.network = "resnet14"
    config.data = ConfigDict(
        {
            "name": "cifar10",
            "image_shape": (32, 32, 3),
            "label_names": tuple(LABELS.split()),
            "mean": (0.4914, 0.4822, 0.4465),  # of the training images
            "std": (0.2470, 0.2435, 0.2616),  # of the training images
            "splits": {"train": "train[:45000]", "valid": "train[45000:]", "test": "test"},
        }
    )
    config.students = ConfigDict(
        {"student1": {"target_ratio": 2.0}, "student2": {"target_ratio": 3.0}}  # ours
    )
    config.decoder.hidden_layers = 3  # paper, for ResNet14
    config.training.update(epochs=90, batch_size=128, learning_rate=2e-3)  # ours
    config.training.update(weight_decay=0.1, flip=True, shift=0.125)  # ours; four pixels
    config.training.mixed_precision = "bfloat16"  # ours, for time alone
    return config
