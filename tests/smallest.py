"""The smallest models and runs that tests share; `conftest` hands some of them out as fixtures."""

import keras
import numpy as np

from kegnet_tf import teachers
from kegnet_tf.configs import base
from kegnet_tf.networks.decoder import Decoder
from kegnet_tf.networks.generators import ImageGenerator
from kegnet_tf.workdir import write_json


def tiny_teacher():
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, 2, name="conv")(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(x))
    x = keras.layers.Flatten()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))
    seen = np.random.default_rng(0).normal(1.0, 2.0, (8, 8, 8, 1)).astype(np.float32)
    model(seen, training=True)
    return model


def tiny_generator(seed=1):
    return ImageGenerator((8, 8, 1), 3, latent_dim=2, units=(8,), filters=(4, 2), seed=seed)


def tiny_decoder(seed=2):
    return Decoder((8, 8, 1), latent_dim=2, units=8, seed=seed)


def tiny_run(folder, **overrides):
    """Makes a folder look like a finished run of `tiny_teacher`; returns (config, content).

    Its students are the teacher itself, named "student", and one that is wrong of each example,
    named "wrong".
    """
    config = base.get_config("quick")
    defaults = {"num_generators": 1, "held_out": 12, "export.calibration_size": 6}
    defaults["export.formats"] = ("litert_float32",)
    config.update_from_flattened_dict({**defaults, **overrides})
    model, wrong = tiny_teacher(), tiny_teacher()
    wrong.layers[-1].set_weights([-weight for weight in wrong.layers[-1].get_weights()])
    (folder / "students").mkdir()
    model.save(folder / "students" / "student-kegnet-0.keras")
    wrong.save(folder / "students" / "wrong-tucker-0.keras")
    (folder / "generators").mkdir()
    generator = tiny_generator()
    generator((np.eye(3)[:1], np.zeros((1, 2))))
    generator.save(folder / "generators" / "0.keras")
    row = {"seed": 0, "seconds": 1.0, "steps": 6, "stopped": False, "accuracy": 1.0}
    write_json(folder / "generators" / "0.json", row)
    measured = {"parameters": 127, "accuracy": None, "balanced_accuracy": None}
    student = {"seed": 0, **measured, "compression_ratio": 1.0, "selection": "last", "seconds": 1.0}
    content = {
        "dataset": "tiny",
        "seed": 0,
        "versions": {"kegnet-tf": "0.1.0"},
        "teacher": measured,
        "students": [
            {"name": "student", "arm": "kegnet", "agreement": 0.9, **student},
            {"name": "wrong", "arm": "tucker", "agreement": 1.0, **student},
        ],
        "generators": [row],
        "exports": [],
    }
    write_json(folder / "report.json", content)
    write_json(folder / "compression.json", {})
    identity = {"config": config.to_dict(), "teacher": teachers.digest(model)}
    write_json(folder / "config.json", identity)
    return config, content


def export_nothing(model, folder, x, *, formats, **_):
    """Stands for `export.export` where files are not looked at: they take seconds to make."""
    rows = []
    for form in formats:
        path = folder / f"{form}.tflite"
        path.write_text("no model")
        rows.append({"format": form, "batch": 1, "path": path.name, "bytes": 8, "agreement": 1.0})
        rows[-1] |= {"note": "poor" if form == "litert_float16" else None, "accuracy": None}
    return rows
