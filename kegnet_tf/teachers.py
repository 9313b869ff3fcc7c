import hashlib
import importlib.resources
import math
import zipfile

import keras
import numpy as np


def pretrained(name):
    """Path of the teacher that ships for the preset `name`.

    Raises:
        ValueError: if none ships.
    """
    path = importlib.resources.files("kegnet_tf.pretrained") / f"{name}.keras"
    if not path.is_file():
        raise ValueError(
            f"`teacher` must be given: none ships for this preset. Received: {name!r}."
        )
    return str(path)


def load(path):
    """Loads a teacher in safe mode and checks it.

    Args:
        path: a `.keras` file of a classifier from one float tensor to logits.

    Returns:
        The model. Nothing here or later trains it: its variables never reach an optimiser.

    Raises:
        ValueError: if the file is not a Keras model, or the model not such a classifier.
    """
    try:
        model = keras.saving.load_model(path, compile=False)
    except (KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"`teacher` must be a complete .keras file. Received: {path} ({reason})"
        ) from error
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        raise ValueError(
            "`teacher` must have one input and one output, [batch, num_classes]. Received: inputs "
            f"{[i.shape for i in model.inputs]}, outputs {[o.shape for o in model.outputs]}."
        )
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise ValueError(
            f"`teacher` must have finite weights. Received: NaN or infinity in {path}."
        )
    model.trainable = True  # layers frozen in the file: the student learns, and counts, them all
    return model


def digest(model):
    """SHA-256 of a model's weights, in hexadecimal."""
    sha = hashlib.sha256()
    for weight in model.get_weights():
        sha.update(np.ascontiguousarray(weight).tobytes())
    return sha.hexdigest()


def train(model, train_data, valid_data, *, epochs, batch_size, learning_rate, seed, verbose=2):
    """Trains a classifier that answers in logits, with Adam and a cosine to zero.

    The weights kept are those of the epoch that is best on the validation data.

    Args:
        model: a Keras classifier, [batch, ...] to [batch, num_classes].
        train_data: (x, label) of the training split.
        valid_data: (x, label) of the validation split.
        epochs: passes over the training data.
        batch_size: examples in a step.
        learning_rate: Adam's, at the start.
        seed: integer that fixes the order of the data.
        verbose: as in `keras.Model.fit`.

    Returns:
        Keras' `History`; its `params` tell the steps.
    """
    keras.utils.set_random_seed(seed)
    steps = epochs * math.ceil(len(train_data[0]) / batch_size)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    best = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=epochs, mode="max", restore_best_weights=True
    )
    return model.fit(
        *train_data, batch_size, epochs, verbose, callbacks=[best], validation_data=valid_data
    )
