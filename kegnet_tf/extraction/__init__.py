"""What a teacher knows, extracted as generators of artificial data (KegNet)."""

from kegnet_tf.extraction.decoder import Decoder
from kegnet_tf.extraction.devices import Devices, apply_gradients, compilation, copies
from kegnet_tf.extraction.generators import DenseGenerator, ImageGenerator, drawn_shape
from kegnet_tf.extraction.kegnet import ClassBalance, KegNet
from kegnet_tf.extraction.latents import (
    check_labels,
    derive_seed,
    sample,
    stream,
    stream_together,
)
from kegnet_tf.extraction.losses import (
    DISTANCES,
    TERMS,
    classifier_loss,
    decoder_loss,
    diversity_loss,
    statistics_loss,
)
from kegnet_tf.extraction.pacing import Paced
from kegnet_tf.extraction.recognition import GeneratorResult, least_recognition, recognition
from kegnet_tf.extraction.resuming import (
    WRITER,
    Backup,
    fit,
    partial_name,
    read_arrays,
    write_arrays,
)
from kegnet_tf.extraction.settings import ExtractionSettings
from kegnet_tf.extraction.together import Ensemble
from kegnet_tf.extraction.training import extract, trained_together

__all__ = [
    "DISTANCES",
    "TERMS",
    "WRITER",
    "Backup",
    "ClassBalance",
    "Decoder",
    "DenseGenerator",
    "Devices",
    "Ensemble",
    "ExtractionSettings",
    "GeneratorResult",
    "ImageGenerator",
    "KegNet",
    "Paced",
    "apply_gradients",
    "check_labels",
    "classifier_loss",
    "compilation",
    "copies",
    "decoder_loss",
    "derive_seed",
    "diversity_loss",
    "drawn_shape",
    "extract",
    "fit",
    "least_recognition",
    "partial_name",
    "read_arrays",
    "recognition",
    "sample",
    "statistics_loss",
    "stream",
    "stream_together",
    "trained_together",
    "write_arrays",
]
