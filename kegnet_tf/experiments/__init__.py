"""Many runs beside each other: tables, frontiers, and times beside their references."""

from kegnet_tf.experiments.accuracy_benchmark import time_to_accuracy
from kegnet_tf.experiments.benchmark_table import benchmark_table
from kegnet_tf.experiments.executors import Executor
from kegnet_tf.experiments.export_benchmark import export_costs
from kegnet_tf.experiments.frontier import frontier
from kegnet_tf.experiments.reproduce import Reproduction, reproduce
from kegnet_tf.experiments.settings import ReproduceSettings
from kegnet_tf.experiments.training_benchmark import training_steps

__all__ = [
    "Executor",
    "ReproduceSettings",
    "Reproduction",
    "benchmark_table",
    "export_costs",
    "frontier",
    "reproduce",
    "time_to_accuracy",
    "training_steps",
]
