import importlib
import inspect
import json
import pathlib

import numpy as np
import tensorflow as tf

from kegnet_tf import (
    compression,
    evaluation,
    export,
    preprocessing,
    report,
    stages,
    synthesis,
    teachers,
)
from kegnet_tf.datasets import arrays, images
from kegnet_tf.latents import derive_seed
from kegnet_tf.workdir import claim, whole, write_json


def train_teacher(config, output, download=True):
    """Trains the preset's network on its real data and saves it.

    Args:
        config: a preset.
        output: path of the `.keras` file; a `.json` file beside it says how it was made.
        download: whether TFDS may fetch the data.

    Raises:
        ValueError: if `output` is no `.keras` path, or the data are not at hand.
    """
    output = pathlib.Path(output)
    if output.suffix != ".keras":
        raise ValueError(f"`output` must end in .keras. Received: {output}.")
    dataset = images.ImageDataset(**config.data)
    train, valid, test = (dataset.load(split, download) for split in ("train", "valid", "test"))
    network = getattr(
        importlib.import_module(f"kegnet_tf.networks.{config.network}"), config.network
    )
    model = network(dataset.image_shape, len(dataset.label_names), seed=config.seed)
    teachers.train(
        model, train, valid, seed=derive_seed(config.seed, "training"), **config.training
    )
    made = {
        "config": json.loads(config.training.to_json()),
        "seed": config.seed,
        "versions": report.versions(),
        "digest": teachers.digest(model),
        "accuracy": evaluation.accuracy(model.predict_on_batch, *test),
    }
    with whole(output) as partial:
        model.save(partial, include_optimizer=False)
    write_json(output.with_suffix(".json"), made)
    print(f"{output}: accuracy {made['accuracy']:.4f} on {len(test[0])} test examples")


def run(
    config,
    workdir,
    *,
    teacher="",
    student="",
    students=(),
    eval_data="",
    download=False,
    **loading,
):
    """The main job: extract, synthesise, compress, distil, evaluate, export, report.

    Every stage writes whole or not at all and is skipped where its output stands already, so that
    a second call goes on where the first was ended, inside a generator's training too.

    Args:
        config: a preset, as from `kegnet_tf.configs`; `base` for a teacher that no preset knows.
        workdir: the run's folder; made where it is missing.
        teacher: path of a `.keras` classifier; "" for the one that ships for the preset.
        student: path of a `.keras` classifier of any architecture, distilled from its own weights
            in place of the preset's students; "" for those.
        students: names among the preset's; empty for all.
        eval_data: path of a `.npz` file, see `kegnet_tf.datasets.arrays`; "" for the preset's data.
        download: whether TFDS may fetch the test data.
        **loading: of `kegnet_tf.teachers.load`.

    Returns:
        The content of `report.json`.

    Raises:
        ValueError: on bad input, before anything is written, and where `workdir` holds a run of
            another configuration or teacher.
    """
    workdir = pathlib.Path(workdir)
    source = teachers.load(teacher or teachers.pretrained(config.teacher), **loading)
    model = preprocessing.standardised(source)
    _check(config, source)
    identity = {"config": json.loads(config.to_json()), "teacher": teachers.digest(source)}
    if student:
        own = teachers.load(student, **{**loading, "output": ""})
        _check_student(own, source)
        identity["student"] = teachers.digest(own)
        initial = {"student": own}
    else:
        initial = {
            name: compression.compress(source, **config.students[name].to_dict())
            for name in _chosen(students, config.students)
        }
    mean, std = (np.asarray(part, np.float32) for part in preprocessing.input_scale(source))
    sizes = source.input_shape[1:], source.output_shape[-1]
    if test := _real_data(config, *sizes, eval_data, download):
        test = (test[0] - mean) / std, test[1]
    claim(workdir, identity)
    _report_compression(workdir, source, {} if student else initial)
    generators, generator_rows = stages.train_generators(config, workdir, model)
    artificial = {"generators": generators, **config.synthesis}
    held_out, unseen = (
        synthesis.synthesise(
            model, "kegnet", config.held_out, seed=derive_seed(config.seed, stage), **artificial
        )
        for stage in ("selection", "evaluation")
    )
    stages.save_synthetic(config, workdir, model, artificial)
    student_rows = []
    for name, start in initial.items():
        for arm in config.arms:
            for seed in range(config.num_seeds if arm in synthesis.SOURCES else 1):
                key = name, arm, seed
                made, row = stages.train_student(
                    config, workdir, model, start, key, held_out, artificial
                )
                row |= _measured(made, test, unseen)
                row["compression_ratio"] = evaluation.compression_ratio(model, made)
                _summarise(workdir, row)
                student_rows.append(row)

    content = {
        "dataset": config.data.name or pathlib.Path(teacher).stem,
        "seed": config.seed,
        "versions": report.versions(),
        "teacher": {
            "parameters": evaluation.trainable_parameters(model),
            "accuracy": _measured(model, test, unseen)["accuracy"],
        },
        "students": student_rows,
        "generators": generator_rows,
        "exports": stages.export_best(
            workdir, student_rows, mean + std * unseen[0], loading.get("custom_objects", ())
        ),
    }
    write_json(workdir / "report.json", content)
    with whole(workdir / "report.md") as path:
        path.write_text(report.markdown(content))
    print(f"\n{report.markdown(content)}\nEverything is in {workdir}.")
    return content


def evaluate(config, path, *, eval_data="", download=False):
    """Measures one file and prints the result as JSON.

    Args:
        config: a preset, for its data.
        path: of a `.keras` file, a SavedModel's folder or a `.tflite` file.
        eval_data: as in `run`; "" for the preset's data.
        download: whether TFDS may fetch the test data.

    Returns:
        {"path", "bytes", "accuracy", "milliseconds"}: accuracy on real test data, None without
        them, and the median latency of one example.
    """
    predict = export.predictor(path)
    test = _real_data(config, predict.input_shape, predict.num_classes, eval_data, download)
    row = {
        "path": str(path),
        "bytes": export.size(path),
        "accuracy": test and evaluation.accuracy(predict, *test),
        "milliseconds": evaluation.latency(
            predict, np.zeros((1, *predict.input_shape), np.float32)
        ),
    }
    print(json.dumps(row, indent=2))
    return row


def _real_data(config, input_shape, num_classes, eval_data, download):
    """(x, label) of the user's or the preset's test data; None, and a word on it, without."""
    if eval_data:
        return arrays.load(eval_data, input_shape, num_classes, config.data.mean, config.data.std)
    if not config.data.name:
        print("No real test data: --eval_data=FILE.npz adds real accuracy.")
        return None
    dataset = images.ImageDataset(**config.data)
    if download or dataset.is_prepared():
        return dataset.load("test", download)
    print(
        f"No real test data: with --download, or TFDS_DATA_DIR set to a folder that holds "
        f"{dataset.name!r}, the same command adds real accuracy."
    )
    return None


def _check(config, source):
    shape, classes = tuple(config.data.image_shape), len(config.data.label_names)
    found = source.input_shape[1:], source.output_shape[-1]
    if shape not in ((), found[0]) or classes not in (0, found[1]):
        raise ValueError(
            f"`teacher` must map {shape} to {classes} classes for this preset. "
            f"Received: {found[0]} to {found[1]}."
        )
    policy = [*inspect.signature(compression.compress).parameters][1:]
    for name, settings in config.students.items():
        for key in settings:
            if key not in policy:
                raise ValueError(
                    f"`students.{name}` must hold some of {', '.join(policy)}. Received: {key!r}."
                )
    for arm in config.arms:
        if arm not in ("tucker", *synthesis.SOURCES):
            raise ValueError(
                f"`arms` must be among tucker, {', '.join(synthesis.SOURCES)}. Received: {arm!r}."
            )


def _check_student(student, source):
    shapes = [(model.input_shape[1:], model.output_shape[-1]) for model in (student, source)]
    if shapes[0] != shapes[1] or preprocessing.input_scale(student) != preprocessing.input_scale(
        source
    ):
        raise ValueError(
            "`student` must map the teacher's inputs, preprocessed alike, to the teacher's "
            f"classes, {shapes[1][0]} to {shapes[1][1]}. "
            f"Received: {shapes[0][0]} to {shapes[0][1]}."
        )


def _chosen(students, known):
    for name in students:
        if name not in known:
            raise ValueError(f"`students` must be among {', '.join(known)}. Received: {name!r}.")
    return students or list(known)


def _report_compression(workdir, source, initial):
    layers = {name: compression.layer_report(source, start) for name, start in initial.items()}
    write_json(workdir / "compression.json", layers)
    for name, rows in layers.items():
        print(f"{name}\n{report.layers(rows)}\n", flush=True)


def _measured(model, test, unseen):
    return {
        "parameters": evaluation.trainable_parameters(model),
        "accuracy": test and evaluation.accuracy(model.predict_on_batch, *test),
        "agreement": evaluation.agreement(model.predict_on_batch, *unseen),
    }


def _summarise(workdir, row):
    """Accuracy and agreement of one student, for TensorBoard."""
    folder = workdir / "tensorboard" / f"{row['name']}-{row['arm']}-{row['seed']}"
    with tf.summary.create_file_writer(str(folder / "evaluation")).as_default():
        for measure in ("accuracy", "agreement"):
            if row[measure] is not None:
                tf.summary.scalar(measure, row[measure], step=0)
