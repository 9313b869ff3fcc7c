"""A smaller student out of a teacher, by Tucker decomposition of its layers."""

from kegnet_tf.compression.layer_report import (
    LayerReport,
    compression_ratio,
    layer_report,
    layer_table,
    trainable_parameters,
)
from kegnet_tf.compression.ranks import vbmf_ranks
from kegnet_tf.compression.students import STARTS, check_policy, compress, load_student
from kegnet_tf.compression.tucker import TuckerConv2D, TuckerDense

__all__ = [
    "STARTS",
    "LayerReport",
    "TuckerConv2D",
    "TuckerDense",
    "check_policy",
    "compress",
    "compression_ratio",
    "layer_report",
    "layer_table",
    "load_student",
    "trainable_parameters",
    "vbmf_ranks",
]
