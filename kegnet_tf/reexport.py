"""A finished run's students, exported again."""

import json
import pathlib

import ml_collections

from kegnet_tf import deployment, pipeline, report, stages, synthesis, teachers
from kegnet_tf.configs import base
from kegnet_tf.datasets import arrays
from kegnet_tf.workdir import read_json, whole, write_json


def run(
    workdir,
    *,
    student="",
    output="",
    calibration="kegnet",
    overrides=(),
    eval_data="",
    download=False,
    source_dir="",
    **loading,
):
    """Does the last stage of `pipeline.run` again, for any student of the run.

    Args:
        workdir: the folder of a finished run.
        student: as `name` in `deployment.choose`.
        output: the new folder; "" for the run's own `export/`, and its report is written anew.
        calibration: where the data that fix the ranges of int8 come from: one of
            `synthesis.SOURCES`, "train" for the preset's real training data, or a `.npz` file
            with an array `x`, see `kegnet_tf.datasets.arrays`.
        overrides: settings in place of the run's own, by "export.KEY".
        eval_data: as in `pipeline.run`, and so are the rest.
        download: whether TFDS may fetch real data.
        source_dir: folder of the raw files of a table.
        **loading: of `kegnet_tf.teachers.load`.

    Returns:
        The rows of `kegnet_tf.export.export`.

    Raises:
        OSError: if `output` cannot be written.
        ValueError: on bad input, before anything is written.
    """
    workdir = pathlib.Path(workdir)
    config, digest, content = _read(workdir)
    config.update_from_flattened_dict(dict(overrides))
    row = deployment.choose(content["students"], student)
    path = deployment.student_path(workdir, row)
    model = teachers.load(path, **{**loading, "output": "logits"})
    sizes = model.input_shape[1:], model.output_shape[-1]
    data = None
    if calibration == "train":
        dataset = pipeline.real_dataset(config, source_dir)
        data, _ = dataset.load("train", download or bool(source_dir))
    elif calibration.endswith(".npz"):
        scale = config.data.get("mean", ()), config.data.get("std", ())
        data = arrays.examples(calibration, sizes[0], *scale)
    elif calibration not in synthesis.SOURCES:
        raise ValueError(
            f"`calibration` must be one of {', '.join(synthesis.SOURCES)}, train, or a .npz file. "
            f"Received: {calibration!r}."
        )
    generators, _ = stages.train_generators(config, workdir, model)  # all of them stand
    exports = deployment.deploy(
        config,
        workdir,
        pathlib.Path(output or workdir / "export"),
        content,
        row,
        teacher_digest=digest,
        artificial=stages.artificial(config, model, generators),
        test=pipeline.real_data(config, *sizes, eval_data, download, source_dir),
        calibration=calibration,
        calibration_data=data,
        **loading,
    )
    if not output:
        content["exports"] = exports
        write_json(workdir / "report.json", content)
        with whole(workdir / "report.md") as partial:
            partial.write_text(report.markdown(content))
    print(f"{report.exports(exports)}\n\nThe files are in {output or workdir / 'export'}.")
    return exports


def _read(workdir):
    """The preset, the teacher's digest and the report of a finished run."""
    try:
        identity, content = (read_json(workdir / name) for name in ("config.json", "report.json"))
        config = ml_collections.ConfigDict(identity["config"])
        digest, _ = identity["teacher"], content["students"]
        files = [workdir / "generators" / f"{i}.keras" for i in range(config.num_generators)]
        missing = [str(path) for path in files if not path.exists()]
    except (AttributeError, KeyError, OSError, TypeError, json.JSONDecodeError) as error:
        missing = [" ".join(str(error).split())]
    if missing:
        raise ValueError(
            f"`workdir` must hold a finished run of kegnet. Received: {workdir} ({missing[0]})."
        )
    if "export" not in config:  # a run of before there was a choice
        config.export = base.get_config().export
    return config, digest, content
