"""A model as the files that run on a device, each checked against the model."""

import dataclasses
import itertools
import pathlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence

import keras
import numpy as np
import tabulate

from kegnet_tf import compression
from kegnet_tf.export import bars, conversion, extras, onnx_files, predictors
from kegnet_tf.export.origins import origins

KNOWN = (*conversion.FORMATS, *extras.EXTRAS)  # what may be asked for


@dataclasses.dataclass(frozen=True)
class ExportedFile:
    """One file of an export, beside its Keras model; a row of `exports` in `report.json`.

    Attributes:
        format: "saved_model", "keras", or one of `KNOWN`.
        batch: how many examples it takes at a time: 1, or "any".
        path: relative to the export's folder.
        bytes: its size; None where there is no such file, and then all measures are None.
        max_abs_error: largest absolute difference of a logit on synthetic data.
        agreement: share of synthetic examples with the same largest logit.
        real_max_abs_error: same as `max_abs_error`, on real data; None without them.
        real_agreement: same as `agreement`, on real data; None without them.
        accuracy: share of real examples whose largest logit is their label; None without them.
        note: None, or says that it loses more than the format's entry of `BARS`, or why there is no
            such file.
        model: "student" or "teacher", whose file it is.
        teacher_agreement: same as `agreement`, with the teacher; None where nothing tells its
            answers.
        milliseconds: of one example on one thread, see `latencies`; None where it was not
            measured, as for files of any number of examples.
        beaten_by: path of a file that is smaller, no slower and agrees with the teacher as well,
            see `beaten`; None where there is none.
        loss: on synthetic data, by how much less probable than its own answer the model finds the
            file's, on average; a flip between two answers that are nearly as likely counts little.
        xnnpack: whether those milliseconds are with XNNPACK, LiteRT's default; None where they were
            not measured.
        threads: with how many threads it is fastest; None as above.
        standardise: whether a table's row is standardised before this file takes it, feature by
            feature, with numbers that the file and the model card hold.
    """

    format: str
    batch: int | str
    path: str
    bytes: int | None = None
    max_abs_error: float | None = None
    agreement: float | None = None
    real_max_abs_error: float | None = None
    real_agreement: float | None = None
    accuracy: float | None = None
    note: str | None = None
    model: str = "student"
    teacher_agreement: float | None = None
    milliseconds: float | None = None
    beaten_by: str | None = None
    loss: float | None = None
    xnnpack: bool | None = None
    threads: int | None = None
    standardise: bool = False


def export_model(
    model: keras.Model,
    folder: str | pathlib.Path,
    x: np.ndarray,
    *,
    calibration: np.ndarray | Mapping[int, keras.Model] | None = None,
    formats: Sequence[str] = conversion.FORMATS,
    test: tuple[np.ndarray, np.ndarray] | None = None,
    raw: tuple | None = None,
    answers: np.ndarray | None = None,
) -> list[ExportedFile]:
    """Writes `compression.plain` of a model to files, and checks each against the model.

    Args:
        model: a built Keras model of one input that answers in logits.
        folder: made where it is missing; it gets `saved_model/`, `student.keras` and, of each
            format, a file for any number of examples, such as `student_float32.tflite`, and one for
            one at a time, such as `student_float32_batch1.tflite`.
        x: data to compare on, [size, ...], float32, as the model expects them.
        calibration: data that fix the ranges of int8 activations, [size, ...], float32, as the
            model expects them; or the models that become integers, by the bits of their kernels: 8
            of `compression.ranged`, which hold their ranges, 4 of `compression.folded`. `x` if
            None.
        formats: names among `KNOWN`.
        test: real data to compare on as well, (x, label), or None.
        raw: of `save`, for the SavedModel's `serving_raw`.
        answers: the teacher's classes for `x`, [size], or None.

    Returns:
        One `ExportedFile` a file, also of one that could not be made; the Keras file is the last.

    Raises:
        OSError: if a file cannot be written.
        ValueError: if a format is unknown.
    """
    return _exported("student", model, folder, x, calibration, formats, test, raw, answers)


def export_teacher(
    model: keras.Model,
    folder: str | pathlib.Path,
    x: np.ndarray,
    *,
    calibration: np.ndarray | Mapping[int, keras.Model] | None = None,
    formats: Sequence[str] = conversion.FORMATS,
    test: tuple[np.ndarray, np.ndarray] | None = None,
    raw: tuple | None = None,
) -> list[ExportedFile]:
    """`export_model` of the teacher itself, whose files are called `teacher_float32.tflite`, ..."""
    return _exported("teacher", model, folder, x, calibration, formats, test, raw)


def _exported(name, model, folder, x, calibration, formats, test, raw, answers=None):
    if unknown := [form for form in formats if form not in KNOWN]:
        raise ValueError(f"`formats` must be among {', '.join(KNOWN)}. Received: {unknown[0]!r}.")
    extras.check(formats)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    calibration = x if calibration is None else calibration
    reference = predictors.answered(model, x)
    answers = reference.argmax(axis=-1) if name == "teacher" else answers
    parts = [(x, reference, answers)]
    if test:
        parts.append((test[0], predictors.answered(model, test[0]), test[1]))
    plain = model if name == "teacher" else compression.plain(model)
    conversion.save(plain, folder / "saved_model", raw=raw)
    rows = [_checked(name, "saved_model", "any", folder / "saved_model", parts)]
    with tempfile.TemporaryDirectory() as scratch:
        sources = origins(model, plain, calibration, pathlib.Path(scratch))
        for form, batch in itertools.product(formats, ("any", 1)):
            if form not in sources:
                continue
            stem = form.replace("litert", name) + ("_batch1" if batch == 1 else "")
            path = folder / f"{stem}.tflite"
            try:
                path.write_bytes(sources[form].convert(batch))
            except ValueError as error:
                rows.append(_missing(name, form, batch, path, error))
                continue
            rows.append(_checked(name, form, batch, path, parts))
    if onnx_files.FORMAT in formats:
        path = folder / f"{name}.onnx"
        try:
            onnx_files.write(plain, path)
            rows.append(_checked(name, onnx_files.FORMAT, "any", path, parts))
        except ValueError as error:
            rows.append(_missing(name, onnx_files.FORMAT, "any", path, error))
    if name == "student":
        plain.save(folder / "student.keras")
        rows.append(_checked(name, "keras", "any", folder / "student.keras", parts))
    return rows


def size(path: str | pathlib.Path) -> int:
    """Bytes of a file, or of a folder's files.

    A SavedModel's `fingerprint.pb` does not count: it is random, of a length that varies.
    """
    path = pathlib.Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(f.stat().st_size for f in files if f.is_file() and f.name != "fingerprint.pb")


def file_table(rows: Iterable[ExportedFile]) -> str:
    """Markdown table of exported files; what is None stays empty."""
    cells = [
        [
            "" if (value := getattr(row, field)) is None else form.format(value)
            for field, form in _COLUMNS.values()
        ]
        for row in rows
    ]
    return tabulate.tabulate(cells, list(_COLUMNS), tablefmt="github", disable_numparse=True)


# By heading: a field, and how `str.format` writes it.
_COLUMNS = {
    "export": ("format", "{}"),
    "batch": ("batch", "{}"),
    "path": ("path", "{}"),
    "bytes": ("bytes", "{:,}"),
    "error": ("max_abs_error", "{:.1e}"),
    "agreement": ("agreement", "{:.2%}"),
    "real error": ("real_max_abs_error", "{:.1e}"),
    "real agreement": ("real_agreement", "{:.2%}"),
    "accuracy": ("accuracy", "{:.2%}"),
    "note": ("note", "{}"),
}


def _missing(name, form, batch, path, error):
    """The `ExportedFile` of one that could not be made."""
    note = f"not written: {error}"
    return ExportedFile(form, batch, path.name, note=note, model=name)


def _checked(name, form, batch, path, parts):
    """The `ExportedFile` of a file that was written."""
    measured, lost = {}, 0.0
    predict = predictors.predictor(path, safe_mode=False)  # what this process wrote a moment ago
    # Of artificial data the labels are the teacher's answers.
    for kind, right, part in zip(
        ("", "real_"), ("teacher_agreement", "accuracy"), parts, strict=False
    ):
        x, reference, label = part
        outputs = predictors.answered(predict, x)
        answers, own = outputs.argmax(axis=-1), reference.argmax(axis=-1)
        measured[f"{kind}max_abs_error"] = float(np.max(np.abs(outputs - reference)))
        measured[f"{kind}agreement"] = float(np.mean(answers == own))
        if label is not None:
            measured[right] = float(np.mean(answers == label))
        fewer = 0.0 if label is None else float(np.mean(own == label) - np.mean(answers == label))
        if kind:
            lost = fewer
        else:
            lost = measured["loss"] = bars.loss(reference, answers)
            lost = lost if label is None else min(lost, fewer)
    note = bars.note(lost, form, real=len(parts) > 1)
    known = {"bytes": size(path), "note": note, "model": name}
    if path.suffix == ".tflite":
        known["standardise"] = predictors.input_scale(path) is not None
    return ExportedFile(form, batch, path.name, **known, **measured)
