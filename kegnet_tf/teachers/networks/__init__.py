"""Classifiers to train as teachers, by name."""

from kegnet_tf.teachers.networks.lenet5 import lenet5
from kegnet_tf.teachers.networks.mlp import mlp
from kegnet_tf.teachers.networks.resnet14 import resnet14

__all__ = ["NETWORKS", "lenet5", "mlp", "resnet14"]

NETWORKS = {"lenet5": lenet5, "mlp": mlp, "resnet14": resnet14}
