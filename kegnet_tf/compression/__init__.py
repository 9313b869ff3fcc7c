"""A smaller student out of a teacher, by Tucker decomposition of its layers."""

from kegnet_tf.compression.arithmetic import multiply_adds, multiply_adds_by_layer
from kegnet_tf.compression.costs import file_bytes as int8_bytes
from kegnet_tf.compression.equalisation import equalise
from kegnet_tf.compression.folding import (
    folded,
    preprocessing,
    rescaling,
    without_preprocessing,
)
from kegnet_tf.compression.integers import (
    Range,
    fit_ranges,
    rangeable,
    ranged,
    ranges,
)
from kegnet_tf.compression.layer_report import (
    LayerReport,
    compression_ratio,
    layer_report,
    layer_table,
    trainable_parameters,
)
from kegnet_tf.compression.plain import plain
from kegnet_tf.compression.policies import STARTS, TARGETS, Policy
from kegnet_tf.compression.ranks import vbmf_ranks
from kegnet_tf.compression.rounded import as_integers, kernel_bits
from kegnet_tf.compression.rounding import Rounding, rounding_table, roundings
from kegnet_tf.compression.students import compress, largest_ratio, load_student
from kegnet_tf.compression.truncation import Truncation
from kegnet_tf.compression.tucker import TuckerConv2D, TuckerDense

__all__ = [
    "STARTS",
    "TARGETS",
    "LayerReport",
    "Policy",
    "Range",
    "Rounding",
    "Truncation",
    "TuckerConv2D",
    "TuckerDense",
    "as_integers",
    "compress",
    "compression_ratio",
    "equalise",
    "fit_ranges",
    "folded",
    "int8_bytes",
    "kernel_bits",
    "largest_ratio",
    "layer_report",
    "layer_table",
    "load_student",
    "multiply_adds",
    "multiply_adds_by_layer",
    "plain",
    "preprocessing",
    "rangeable",
    "ranged",
    "ranges",
    "rescaling",
    "rounding_table",
    "roundings",
    "trainable_parameters",
    "vbmf_ranks",
    "without_preprocessing",
]
