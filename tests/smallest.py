"""The smallest models and settings that tests share; `conftest` makes fixtures of some."""

import keras
import numpy as np

from kegnet_tf import extraction
from kegnet_tf.configs import base


def tiny_teacher():
    """Classifier of 8x8 grey images into 3 classes, with a BatchNorm that has seen data."""
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, 2, name="conv")(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(x))
    x = keras.layers.Flatten()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))
    seen = np.random.default_rng(0).normal(1.0, 2.0, (8, 8, 8, 1)).astype(np.float32)
    model(seen, training=True)
    return model


def nested_classifier():
    """A Sequential in a Functional in a Sequential; the middle one is called twice."""
    layers = keras.layers
    inner = keras.Sequential([layers.Conv2D(4, 3, padding="same", name="conv")], name="inner")
    inputs = keras.Input((6, 6, 4))
    middle = keras.Model(inputs, inputs + inner(inputs), name="middle")
    inputs = keras.Input((6, 6, 4))
    twice = keras.Model(inputs, middle(middle(inputs)), name="outer")
    return keras.Sequential([twice, layers.Flatten(), layers.Dense(3, name="logits")])


def tiny_generator(seed=1):
    return extraction.ImageGenerator(
        (8, 8, 1), 3, latent_dim=2, units=(8,), filters=(4, 2), seed=seed
    )


def tiny_decoder(seed=2):
    return extraction.Decoder((8, 8, 1), latent_dim=2, units=8, seed=seed)


def tiny_config(preset=base, mode="quick", **overrides):
    """A preset whose stages take two steps each; `overrides` by dotted key."""
    config = preset.get_config(mode)
    if preset is base:  # `tiny_teacher` does not bear more
        config.students.student.target_ratio = 2.0
    config.update_from_flattened_dict(
        {
            "num_generators": 2,
            "keep_unrecognised": True,  # two steps teach a generator nothing
            "generator.units": (8,),
            "generator.filters": (4, 2),
            "dense_generator.units": (8,),
            "decoder.units": 8,
            "extraction.batch_size": 8,
            "extraction.epochs": 2,
            "extraction.steps_per_epoch": 2,
            "held_out": 16,
            "batch_size": 8,
            "distillation.epochs": 1,
            "distillation.steps_per_epoch": 2,
            "distillation.loss": "logits",  # no pilots
            "distillation.batch_norm": "inference",
            "export.formats": ("litert_float32",),
            "export.calibration_size": 6,
            **overrides,
        }
    )
    return config


def untimed(report):
    """A report as JSON holds it, without the times of its parts and files, and what follows."""
    if isinstance(report, dict):
        times = ("seconds", "milliseconds", "xnnpack", "threads", "beaten_by", "recommendation")
        return {key: untimed(value) for key, value in report.items() if key not in times}
    return [untimed(value) for value in report] if isinstance(report, list) else report
