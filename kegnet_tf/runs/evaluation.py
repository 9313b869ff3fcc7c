"""Models and files on real data."""

import dataclasses
import os
import pathlib

import keras
import ml_collections
import numpy as np

from kegnet_tf import distillation, export
from kegnet_tf.runs.real_data import DataOptions, test_data


def evaluate(
    model: str | os.PathLike | keras.Model, x: np.ndarray, label: np.ndarray
) -> distillation.Measures:
    """Accuracy of a classifier, in all and for each class.

    Args:
        model: a Keras model, or the path of a `.keras` file, a SavedModel's folder or a `.tflite`
            file.
        x: data as the model expects them, float32, [size, ...].
        label: integers in [0, num_classes), [size].

    Raises:
        ValueError: if the path is none of these files.
    """
    if isinstance(model, keras.Model):
        predict, num_classes = model.predict_on_batch, model.output_shape[-1]
    else:
        predict = export.predictor(model)
        num_classes = predict.num_classes
    return distillation.measures(distillation.confusion(predict, x, label, num_classes))


def evaluate_file(
    config: ml_collections.ConfigDict,
    path: str | os.PathLike,
    *,
    data: DataOptions | None = None,
) -> dict:
    """Measures one file.

    Args:
        config: a preset, for its data.
        path: of a `.keras` file, a SavedModel's folder or a `.tflite` file.
        data: where real data come from.

    Returns:
        {"path", "bytes", "accuracy", "balanced_accuracy", "recall", "milliseconds"}: the three in
        the middle on real test data, None without them, and the median latency of one example.

    Raises:
        ValueError: if the path is none of these files, or lies in an export and is not as it was
            written there.
    """
    _check_exported(pathlib.Path(path))
    predict = export.predictor(path)
    sizes = predict.input_shape, predict.num_classes
    test = test_data(config, data or DataOptions(), *sizes)
    counts = test and distillation.confusion(predict, *test, predict.num_classes)
    return {
        "path": str(path),
        "bytes": export.size(path),
        **dataclasses.asdict(distillation.measures(counts)),
        "milliseconds": export.latency(predict, np.zeros((1, *predict.input_shape), np.float32)),
    }


def _check_exported(path):
    """Refuses a file of an export that is not as its `export.json` says."""
    record = path.parent / "export.json"
    if record.is_file():
        kept = export.ExportRecord.read(path.parent)
        own = [path.parent / name for name in kept.files if path.name == name.split("/")[0]]
        if spoilt := [each for each in own if each not in kept.intact(path.parent)]:
            raise ValueError(
                "`model` must be as it was exported. "
                f"Received: {spoilt[0]}, which {record} tells to be another."
            )
