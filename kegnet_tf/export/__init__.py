"""A student as files for a device: a SavedModel and LiteRT files, checked, read and described."""

from kegnet_tf.export.checksums import fingerprint, read_sealed, sealed
from kegnet_tf.export.conversion import FORMATS, convert, save
from kegnet_tf.export.litert_costs import arena, multiply_adds, operations
from kegnet_tf.export.model_card import ModelCard
from kegnet_tf.export.parity import BARS, ExportedFile, export_model, file_table, size
from kegnet_tf.export.predictors import (
    Predictor,
    latency,
    litert_predictor,
    predictor,
    quantisation,
    saved_model_predictor,
)
from kegnet_tf.export.record import ExportRecord

__all__ = [
    "BARS",
    "FORMATS",
    "ExportRecord",
    "ExportedFile",
    "ModelCard",
    "Predictor",
    "arena",
    "convert",
    "export_model",
    "file_table",
    "fingerprint",
    "latency",
    "litert_predictor",
    "multiply_adds",
    "operations",
    "predictor",
    "quantisation",
    "read_sealed",
    "save",
    "saved_model_predictor",
    "sealed",
    "size",
]
