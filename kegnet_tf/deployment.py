"""The last stage of a run: one student, exported whole or not at all."""

import concurrent.futures
import multiprocessing
import pathlib

import numpy as np

from kegnet_tf import export, model_card, predictors, preprocessing, synthesis, teachers
from kegnet_tf.latents import derive_seed
from kegnet_tf.workdir import read_json, whole, write_json


def choose(rows, name=""):
    """The student to export: the one that agrees best with its teacher on synthetic data.

    Distilled ones come before those that were decomposed only.

    Args:
        rows: the students of `report.json`.
        name: "" for any of them, or a student's ("student2"), or one arm and seed of it
            ("student2-kegnet-0").

    Returns:
        Its row.

    Raises:
        ValueError: if there is no such student.
    """
    found = [row for row in rows if name in ("", row["name"], _stem(row))]
    if not found:
        known = dict.fromkeys(each for row in rows for each in (row["name"], _stem(row)))
        raise ValueError(f"`student` must be among {', '.join(known)}. Received: {name!r}.")
    return max(found, key=lambda row: (row["arm"] in synthesis.SOURCES, row["agreement"]))


def deploy(
    config,
    workdir,
    folder,
    content,
    student,
    *,
    teacher_digest,
    artificial,
    test=None,
    calibration="kegnet",
    calibration_data=None,
    **loading,
):
    """Exports one student of a run, and says so in a model card; skipped where that is done.

    The folder gets what `kegnet_tf.export.export` writes, `README.md`, `labels.txt` and
    `export.json`. A file that falls short of its bar, or could not be made, is warned of.

    Args:
        config: the run's preset. Its `export` holds `formats`, `calibration_size`, and
            `headroom`: artificial data are multiplied by it before they fix ranges, as they move a
            network less than real data do, and what lies outside of a range is cut. Pixels, where
            the preset tells which there are, go beyond theirs by no more than that.
        workdir: the run's folder, a `pathlib.Path`.
        folder: the new folder, likewise; it takes the place of an older one.
        content: the content of `report.json`; its exports are not read.
        student: the row of `content` to export.
        teacher_digest: of the run's teacher.
        artificial: arguments of `synthesis.stream`.
        test: real data to compare on as well, (x, label), as the model eats them, or None.
        calibration: where the data that fix the ranges of int8 come from: one of
            `synthesis.SOURCES`, or any name where `calibration_data` are given.
        calibration_data: [size, ...], as the model eats them, of which the first are taken as
            they are.
        **loading: of `kegnet_tf.teachers.load`, for the student's file.

    Returns:
        The rows of `kegnet_tf.export.export`.

    Raises:
        OSError: if the folder cannot be written, or the process that converts was ended.
        ValueError: if a setting or `calibration` is unknown.
    """
    path = student_path(workdir, student)
    loading = {**loading, "output": "logits"}
    model = teachers.load(path, **loading)
    given, size = calibration_data is not None, config.export.calibration_size
    about = {
        "student": str(path.relative_to(workdir)),
        "teacher": config.teacher,
        "teacher_digest": teacher_digest,
        "parameters": student["parameters"],
        "formats": list(config.export.formats),
        "calibration": calibration,
        "calibration_size": min(size, len(calibration_data)) if given else size,
        "headroom": 1.0 if given else config.export.headroom,
        "real_examples": len(test[0]) if test else 0,
        "input_shape": list(model.input_shape[1:]),
        "num_classes": model.output_shape[-1],
    }
    record = folder / "export.json"
    if not record.exists() or {**read_json(record), "exports": None} != {**about, "exports": None}:
        with whole(folder) as partial:
            partial.mkdir()  # raises where nothing may be written, before any work
            raw = _raw(config, model)
            if not given:
                calibration_data = _calibration_data(config, model, about, raw, artificial)
            rows = _exported(
                path,
                loading,
                folder=partial,
                x=_synthetic(config, model, "kegnet", config.held_out, "evaluation", artificial),
                calibration=calibration_data[: about["calibration_size"]],
                formats=about["formats"],
                test=test,
                raw=raw,
            )
            _describe(config, workdir, partial, content, student, about, rows, raw)
    rows = read_json(record)["exports"]
    for row in rows:
        if row["note"]:
            print(f"Warning: {row['path']}: {row['note']}.")
    return rows


def student_path(workdir, row):
    """Where a run keeps the student of a row of `report.json`."""
    return pathlib.Path(workdir) / "students" / f"{_stem(row)}.keras"


def _stem(row):
    return "{name}-{arm}-{seed}".format(**row)


def _raw(config, model):
    """What `conversion.save` is told of raw values: the preset's numbers, or the model's own."""
    if config.data.get("mean"):
        return tuple(config.data.mean), tuple(config.data.std)
    return None if preprocessing.input_scale(model) == (0.0, 1.0) else ()


def _synthetic(config, model, source, size, stage, artificial, times=1.0):
    """Artificial data as the model eats them, multiplied where they are standardised."""
    seed = derive_seed(config.seed, stage)
    # What answers there does not matter: only x is kept.
    eats = preprocessing.standardised(model)
    x, _ = synthesis.synthesise(eats, source, size, seed=seed, **artificial)
    mean, std = (np.asarray(part, np.float32) for part in preprocessing.input_scale(model))
    return mean + std * np.float32(times) * x


def _calibration_data(config, model, about, raw, artificial):
    source, size, headroom = (about[k] for k in ("calibration", "calibration_size", "headroom"))
    x = _synthetic(config, model, source, size, "calibration", artificial, headroom)
    if not raw or len(about["input_shape"]) != 3:
        return x
    mean, std = (np.asarray(part, np.float32) for part in raw)
    middle, half = (0.5 - mean) / std, 0.5 / std  # of pixels in [0, 1], standardised
    return np.clip(x, middle - headroom * half, middle + headroom * half)


def _describe(config, workdir, folder, content, student, about, rows, raw):
    """Writes what stands beside the files: labels, model card and record."""
    names = config.data.label_names or range(about["num_classes"])
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    integers = {
        row["path"]: predictors.quantisation(folder / row["path"])
        for row in rows
        if row["format"] == "litert_int8_integer_only" and row["bytes"]
    }
    layers = read_json(workdir / "compression.json").get(student["name"], [])
    (folder / "README.md").write_text(
        model_card.markdown(config, content, student, about, rows, layers, raw, integers)
    )
    write_json(folder / "export.json", {**about, "exports": rows})


def _exported(path, loading, **arguments):
    # A process of its own: names inside a SavedModel count what a process did before, and a run
    # that was resumed must give the same files.
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, spawn) as process:
        try:
            return process.submit(_export, path, loading, **arguments).result()
        except concurrent.futures.BrokenExecutor as error:
            raise OSError(f"{path} could not be exported: the process was ended.") from error


def _export(path, loading, **arguments):
    model = teachers.load(path, **loading)
    return export.export(model, **arguments)
