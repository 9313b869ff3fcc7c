"""CIFAR-10 with a network of phones: depthwise separable convolutions and ReLU6.

    kegnet-teacher --dataset=cifar10_mobilenet --output=cifar10_mobilenet.keras
    kegnet --dataset=cifar10_mobilenet

Hours on two cores, with --quick 18 minutes. The teacher that ships has 90.2 % on the test split,
after two minutes on a GPU.
"""

from ml_collections import ConfigDict

from kegnet_tf.configs import cifar10


def get_config(mode=""):
    config = cifar10.get_config(mode)
    config.teacher = "cifar10_mobilenet"
    config.network = "mobilenet"
    # Ours: twice as small is what such a network bears, see docs/method.md.
    config.students = ConfigDict(
        {"student1": {"target_ratio": 1.5}, "student2": {"target_ratio": 2.0}}
    )
    config.training.mixed_precision = ""  # depthwise convolutions are slower in bfloat16
    return config
