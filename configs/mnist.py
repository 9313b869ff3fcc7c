"""MNIST with LeNet5 (the paper's Table 3).

    kegnet-teacher --dataset=mnist --output=mnist.keras
    kegnet --dataset=mnist

Some 9 minutes on two busy cores. Students at 98.4, 97.7 and 95.6 %, teacher 99.0 %.
docs/results.md has more.
"""

from ml_collections import ConfigDict

from kegnet_tf.configs import base


def get_config(mode=""):
    config = base.get_config(mode)
    config.teacher = "mnist"
    config.network = "lenet5"
    config.data = ConfigDict(
        {
            "name": "mnist",
            "image_shape": (32, 32, 1),  # release: resized from 28
            "label_names": tuple("0123456789"),
            "mean": (0.1307,),  # release
            "std": (0.3081,),  # release
            # Sizes of the paper's Table 1.
            "splits": {"train": "train[:55000]", "valid": "train[55000:]", "test": "test"},
        }
    )
    # The ranks that VBMF gives on the paper's teacher, so that the students have the paper's size
    # on any teacher; "vbmf" in place of a pair asks for the given teacher's own.
    config.students = ConfigDict(
        {
            "student1": {"ranks": {"conv3": (7, 11)}},
            "student2": {"ranks": {"conv2": (3, 4), "conv3": (7, 11)}},
            "student3": {"ranks": {"conv2": (3, 4), "conv3": (5, 8)}},  # from the paper's ratio
        }
    )
    return config
