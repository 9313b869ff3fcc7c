"""A model as the files that run on a device, each checked against the model."""

import pathlib
import tempfile

import numpy as np

from kegnet_tf import conversion, predictors

# Share of answers that must be the model's own; ours.
BARS = {
    "saved_model": 0.999,
    "litert_float32": 0.999,
    "litert_float16": 0.999,
    "litert_dynamic_range": 0.98,
    "litert_int8": 0.98,
    "litert_int8_integer_only": 0.98,
}


def export(model, folder, x, *, calibration=None, formats=conversion.FORMATS, test=None, raw=None):
    """Writes a SavedModel and LiteRT files, and checks each against the Keras model.

    Args:
        model: a built Keras model of one input that answers in logits.
        folder: made where it is missing; it gets `saved_model/` and, of each format, a file that
            takes any number of examples, such as `student_float32.tflite`, and one that takes one
            at a time, such as `student_float32_batch1.tflite`.
        x: data to compare on, [size, ...], float32, as the model eats them.
        calibration: data that fix the ranges of int8 activations, likewise; `x` if None.
        formats: names among `conversion.FORMATS`.
        test: real data to compare on as well, (x, label), or None.
        raw: of `conversion.save`, for the SavedModel's `serving_raw`.

    Returns:
        A list of {"format", "batch", "path", "bytes", "max_abs_error", "agreement",
        "real_max_abs_error", "real_agreement", "accuracy", "note"}, a row a file. `batch` is 1 or
        "any", `path` relative to `folder`; the errors are the largest absolute differences of a
        logit on `x` and on `test`, and agreement the share of examples with the same largest
        logit; accuracy and what is real are None without `test`. `note` is None, or says that
        agreement on either lies below the format's entry of `BARS`, or why there is no such file;
        its numbers are then None.

    Raises:
        OSError: if a file cannot be written.
        ValueError: if a format is unknown.
    """
    unknown = [form for form in formats if form not in conversion.FORMATS]
    if unknown:
        raise ValueError(
            f"`formats` must be among {', '.join(conversion.FORMATS)}. Received: {unknown[0]!r}."
        )
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    calibration = x if calibration is None else calibration
    parts = [(x, _outputs(model, x), None)]
    if test:
        parts.append((test[0], _outputs(model, test[0]), test[1]))
    conversion.save(model, folder / "saved_model", raw=raw)
    rows = [_row("saved_model", "any", folder / "saved_model", parts)]
    with tempfile.TemporaryDirectory() as scratch:
        conversion.save(model, scratch, batch=1)
        for form in formats:
            for batch, source in (("any", folder / "saved_model"), (1, scratch)):
                name = form.replace("litert", "student") + ("_batch1" if batch == 1 else "")
                path = folder / f"{name}.tflite"
                try:
                    content = conversion.convert(source, form, calibration)
                except ValueError as error:
                    rows.append(_row(form, batch, path, (), f"not written: {error}"))
                    continue
                path.write_bytes(content)
                rows.append(_row(form, batch, path, parts))
    return rows


def size(path):
    """Bytes of a file, or of a folder's files.

    A SavedModel's `fingerprint.pb` does not count: it is random, of a length that varies.
    """
    path = pathlib.Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(f.stat().st_size for f in files if f.is_file() and f.name != "fingerprint.pb")


def _row(form, batch, path, parts, note=None):
    measures = ("max_abs_error", "agreement", "real_max_abs_error", "real_agreement", "accuracy")
    row = {
        "format": form,
        "batch": batch,
        "path": path.name,
        "bytes": size(path) if parts else None,
        **dict.fromkeys(measures),
        "note": note,
    }
    if not parts:
        return row
    predict = predictors.predictor(path)
    for kind, (x, reference, label) in zip(("", "real_"), parts, strict=False):
        outputs = _outputs(predict, x)
        answers = outputs.argmax(axis=-1)
        row[f"{kind}max_abs_error"] = float(np.max(np.abs(outputs - reference)))
        row[f"{kind}agreement"] = float(np.mean(answers == reference.argmax(axis=-1)))
        if label is not None:
            row["accuracy"] = float(np.mean(answers == label))
        if row[f"{kind}agreement"] < BARS[form]:
            where = f"{row[f'{kind}agreement']:.2%} of {'real' if kind else 'synthetic'} data"
            row["note"] = f"agrees with the student in {where}, below {BARS[form]:.1%}"
    return row


def _outputs(predict, x, size=500):
    batches = (x[start : start + size] for start in range(0, len(x), size))
    return np.concatenate([np.asarray(predict(batch)) for batch in batches])
