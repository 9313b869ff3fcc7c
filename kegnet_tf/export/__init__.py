"""A student as files for a device: a SavedModel and LiteRT files, checked, read and described."""

from kegnet_tf.export.bars import BARS
from kegnet_tf.export.checksums import fingerprint, read_sealed, sealed
from kegnet_tf.export.choice import (
    Recommendation,
    beaten,
    choice_table,
    comparable,
    recommend,
)
from kegnet_tf.export.conversion import FORMATS, convert, save
from kegnet_tf.export.extras import check as check_extras
from kegnet_tf.export.flagged import warning
from kegnet_tf.export.litert_costs import arena, multiply_adds, operations
from kegnet_tf.export.litert_times import Speed, invocations, latencies
from kegnet_tf.export.model_card import ModelCard
from kegnet_tf.export.parity import (
    KNOWN,
    ExportedFile,
    export_model,
    export_teacher,
    file_table,
    size,
)
from kegnet_tf.export.predictors import (
    Predictor,
    input_scale,
    latency,
    litert_predictor,
    predictor,
    quantisation,
    saved_model_predictor,
)
from kegnet_tf.export.record import ExportRecord
from kegnet_tf.export.teacher_card import teacher_card

__all__ = [
    "BARS",
    "FORMATS",
    "KNOWN",
    "ExportRecord",
    "ExportedFile",
    "ModelCard",
    "Predictor",
    "Recommendation",
    "Speed",
    "arena",
    "beaten",
    "check_extras",
    "choice_table",
    "comparable",
    "convert",
    "export_model",
    "export_teacher",
    "file_table",
    "fingerprint",
    "input_scale",
    "invocations",
    "latencies",
    "latency",
    "litert_predictor",
    "multiply_adds",
    "operations",
    "predictor",
    "quantisation",
    "read_sealed",
    "recommend",
    "save",
    "saved_model_predictor",
    "sealed",
    "size",
    "teacher_card",
    "warning",
]
