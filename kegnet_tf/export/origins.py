"""The SavedModels that each format of a model is converted from."""

import dataclasses
import pathlib
from collections.abc import Mapping

import keras
import numpy as np

from kegnet_tf import compression
from kegnet_tf.export import conversion, four_bits, litert_edits


@dataclasses.dataclass(frozen=True)
class Origin:
    """What the files of one format are converted from.

    Attributes:
        form: one of `FORMATS`, or of four bits.
        model: that is saved first; nothing else is known of how its tensors are to be rounded,
            but what it holds itself.
        folder: for its SavedModels, made when they are asked for.
        calibration: examples that fix ranges which the model does not hold; None for no such.
        input_scale: (mean, std) of each feature, by which a row is standardised outside of the
            file; None where the file takes what the model expects.
    """

    form: str
    model: keras.Model
    folder: pathlib.Path
    calibration: np.ndarray | None = None
    input_scale: tuple[np.ndarray, np.ndarray] | None = None

    def convert(self, batch: int | str) -> bytes:
        """Content of a file for one example at a time, or for "any" number; as `convert`."""
        path = self.folder / str(batch)
        if not path.exists():
            conversion.save(self.model, path, batch=1 if batch == 1 else None)
        if self.form == four_bits.FORMAT:
            return four_bits.rounded(conversion.convert(path, "litert_float32"))
        content = conversion.convert(path, self.form, self.calibration)
        if self.input_scale is not None:
            content = litert_edits.with_input_scale(content, *self.input_scale)
        return content


def origins(
    model: keras.Model,
    plain: keras.Model,
    calibration: np.ndarray | Mapping[int, keras.Model],
    scratch: pathlib.Path,
) -> dict[str, Origin]:
    """Where each of `FORMATS` comes from, and the file of four bits.

    Integers come from a model that holds its ranges (`compression.ranged`). Of a table's
    classifier that standardises its rows, this stays in floats, and the file of nothing but
    integers expects rows that are standardised. A model with layers that are not known there is
    left to the converter and its own calibration.

    Args:
        model: a built Keras model.
        plain: the same of plain layers, for the formats in floats.
        calibration: data that fix ranges, or models by bits, as in `export_model`.
        scratch: a folder for SavedModels.
    """
    models = calibration if isinstance(calibration, Mapping) else {}
    data = None if models else calibration
    formats = dict.fromkeys(conversion.FORMATS)
    for form in formats:
        formats[form] = Origin(form, plain, scratch / "plain", data)
    lean = models.get(4, plain)
    formats[four_bits.FORMAT] = Origin(four_bits.FORMAT, lean, scratch / "lean")
    integers = models.get(8) if models else with_ranges(model, data)
    if integers is None:
        return formats
    scale = compression.preprocessing(integers)
    core = integers if scale is None else compression.without_preprocessing(integers)
    for form, origin, name in (
        ("litert_int8", integers, "ranged"),
        ("litert_int8_integer_only", core, "ranged" if scale is None else "core"),
    ):
        only = form == "litert_int8_integer_only"
        formats[form] = Origin(form, origin, scratch / name, None, scale if only else None)
    return formats


def with_ranges(model: keras.Model, calibration: np.ndarray) -> keras.Model | None:
    """A model that holds its ranges; None where the converter must find them.

    Args:
        model: a built Keras model.
        calibration: data that fix ranges.
    """
    if not compression.rangeable(model):
        return None
    integers = compression.ranged(model)
    compression.fit_ranges(integers, calibration)
    return integers
