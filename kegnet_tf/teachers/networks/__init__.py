"""Classifiers to train as teachers, by name."""

import functools

from kegnet_tf.teachers.networks.lenet5 import lenet5
from kegnet_tf.teachers.networks.mlp import mlp
from kegnet_tf.teachers.networks.mobilenet import mobilenet
from kegnet_tf.teachers.networks.resnet14 import resnet14

__all__ = ["NETWORKS", "lenet5", "mlp", "mobilenet", "resnet14"]

NETWORKS = {
    "lenet5": lenet5,
    "mlp": mlp,
    "mobilenet": mobilenet,
    "mobilenet_075": functools.partial(mobilenet, width=0.75),
    "resnet14": resnet14,
}
