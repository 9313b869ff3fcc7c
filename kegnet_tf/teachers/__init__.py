"""A classifier in, a checked one that answers in logits out."""

from kegnet_tf.teachers import rules
from kegnet_tf.teachers.batch_norm import input_moments, watched
from kegnet_tf.teachers.graphs import (
    calls_of_kinds,
    copy_with_policy,
    every_layer,
    layers_of_kind,
    plain,
    rebuilt,
    without_dropout,
)
from kegnet_tf.teachers.heads import LogProbabilities, TwoClasses
from kegnet_tf.teachers.keras_files import read as read_model
from kegnet_tf.teachers.loading import Loading, digest, load, pretrained
from kegnet_tf.teachers.loading import load as load_teacher
from kegnet_tf.teachers.networks import NETWORKS
from kegnet_tf.teachers.portions import rows_at_once
from kegnet_tf.teachers.preprocessing import (
    Pixels,
    image_scale,
    input_scale,
    pixels,
    standardise,
    standardised,
    unstandardised,
)
from kegnet_tf.teachers.showing import showing
from kegnet_tf.teachers.stochastic import Stochastic, stochastic
from kegnet_tf.teachers.training import PRECISIONS, TrainingSettings, train

__all__ = [
    "NETWORKS",
    "PRECISIONS",
    "Loading",
    "LogProbabilities",
    "Pixels",
    "Stochastic",
    "TrainingSettings",
    "TwoClasses",
    "calls_of_kinds",
    "copy_with_policy",
    "digest",
    "every_layer",
    "image_scale",
    "input_moments",
    "input_scale",
    "layers_of_kind",
    "load",
    "load_teacher",
    "pixels",
    "plain",
    "pretrained",
    "read_model",
    "rebuilt",
    "rows_at_once",
    "rules",
    "showing",
    "standardise",
    "standardised",
    "stochastic",
    "train",
    "unstandardised",
    "watched",
    "without_dropout",
]
