import contextlib
import importlib
import json
import os
import pathlib
import shutil
import time

import keras
import numpy as np
import tensorflow as tf

from kegnet_tf import (
    compression,
    distillation,
    evaluation,
    export,
    extraction,
    figures,
    report,
    synthesis,
    teachers,
)
from kegnet_tf.datasets import images
from kegnet_tf.latents import derive_seed
from kegnet_tf.networks.decoder import Decoder
from kegnet_tf.networks.generators import ImageGenerator


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
    with _whole(output) as partial:
        model.save(partial, include_optimizer=False)
    _write_json(output.with_suffix(".json"), made)
    print(f"{output}: accuracy {made['accuracy']:.4f} on {len(test[0])} test examples")


def run(config, workdir, teacher="", students=(), download=False):
    """The main job: extract, synthesise, compress, distil, evaluate, export, report.

    Every stage writes whole or not at all and is skipped where its output stands already, so that
    a second call goes on where the first was ended, inside a generator's training too.

    Args:
        config: a preset, as from `kegnet_tf.configs`.
        workdir: the run's folder; made where it is missing.
        teacher: path of a `.keras` classifier; "" for the one that ships for the preset.
        students: names among the preset's; empty for all.
        download: whether TFDS may fetch the test data.

    Returns:
        The content of `report.json`.

    Raises:
        ValueError: on bad input, before anything is written, and where `workdir` holds a run of
            another configuration or teacher.
    """
    workdir = pathlib.Path(workdir)
    model = teachers.load(teacher or teachers.pretrained(config.teacher))
    dataset = images.ImageDataset(**config.data)
    _check(config, model, dataset)
    initial = {
        name: compression.compress(model, config.students[name].to_dict())
        for name in _chosen(students, config.students)
    }
    _claim(workdir, {"config": json.loads(config.to_json()), "teacher": teachers.digest(model)})

    test = None
    if download or dataset.is_prepared():
        test = dataset.load("test", download)
    generators, generator_rows = _generators(config, workdir, model, dataset)
    artificial = {"generators": generators, **config.synthesis}
    held_out, unseen = (
        synthesis.synthesise(
            model, "kegnet", config.held_out, seed=derive_seed(config.seed, stage), **artificial
        )
        for stage in ("selection", "evaluation")
    )
    _save_synthetic(config, workdir, model, artificial)
    trained, student_rows = {}, []
    for name, start in initial.items():
        for arm in config.arms:
            for seed in range(config.num_seeds if arm in synthesis.SOURCES else 1):
                student, row = _student(
                    config, workdir, model, start, (name, arm, seed), held_out, artificial
                )
                row |= _measured(student, test, unseen)
                row["compression_ratio"] = evaluation.compression_ratio(model, student)
                _summarise(workdir, row)
                trained[name, arm, seed] = student
                student_rows.append(row)

    content = {
        "dataset": dataset.name,
        "seed": config.seed,
        "versions": report.versions(),
        "teacher": {
            "parameters": evaluation.trainable_parameters(model),
            "accuracy": _measured(model, test, unseen)["accuracy"],
        },
        "students": student_rows,
        "generators": generator_rows,
        "exports": _export(workdir, trained, student_rows, unseen[0]),
    }
    _write_json(workdir / "report.json", content)
    with _whole(workdir / "report.md") as path:
        path.write_text(report.markdown(content))
    return content


def _check(config, model, dataset):
    shape, classes = (None, *dataset.image_shape), len(dataset.label_names)
    if model.input_shape != shape or model.output_shape[-1] != classes:
        raise ValueError(
            f"`teacher` must map {shape} to {classes} classes for this preset. "
            f"Received: {model.input_shape} to {model.output_shape[-1]}."
        )
    for arm in config.arms:
        if arm not in ("tucker", *synthesis.SOURCES):
            raise ValueError(
                f"`arms` must be among tucker, {', '.join(synthesis.SOURCES)}. Received: {arm!r}."
            )


def _chosen(students, known):
    for name in students:
        if name not in known:
            raise ValueError(f"`students` must be among {', '.join(known)}. Received: {name!r}.")
    return students or list(known)


def _claim(workdir, identity):
    """Writes `config.json`, or refuses a folder where another one stands."""
    path = workdir / "config.json"
    if not path.exists():
        _write_json(path, identity)
        return
    before, now = _flat(json.loads(path.read_text())), _flat(identity)
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            raise ValueError(
                f"`workdir` must be new or hold a run of this configuration; {workdir} has {key} = "
                f"{before.get(key)}. Received: {now.get(key)}."
            )


def _flat(tree, prefix=""):
    if not isinstance(tree, dict):
        return {prefix: tree}
    dot = f"{prefix}." if prefix else ""
    return {key: leaf for name in tree for key, leaf in _flat(tree[name], dot + name).items()}


def _generators(config, workdir, model, dataset):
    generators, rows = [], []
    for index in range(config.num_generators):
        path = workdir / "generators" / f"{index}.keras"
        if not path.exists():
            print(f"Generator {index + 1} of {config.num_generators}", flush=True)
            generator = ImageGenerator(
                dataset.image_shape,
                len(dataset.label_names),
                seed=derive_seed(config.seed, "generator", index),
                **config.generator,
            )
            decoder = Decoder(
                dataset.image_shape,
                generator.latent_dim,
                seed=derive_seed(config.seed, "decoder", index),
                **config.decoder,
            )
            started = time.perf_counter()
            history = extraction.extract(
                model,
                generator,
                decoder,
                seed=derive_seed(config.seed, "extraction", index),
                callbacks=[
                    keras.callbacks.BackupAndRestore(
                        str(path.with_suffix(".backup")), double_checkpoint=True
                    ),
                    _tensorboard(workdir, f"generator-{index}"),
                ],
                **config.extraction,
            ).history
            row = {
                "seed": index,
                "seconds": time.perf_counter() - started,
                "steps": config.extraction.epochs * config.extraction.steps_per_epoch,
            }
            for loss in ("classifier_loss", "decoder_loss", "diversity_loss"):
                row[loss] = history[loss][-1] if loss in history else None
            with _whole(workdir / "figures" / f"generator-{index}.png") as figure:
                seed = derive_seed(config.seed, "figures", index)
                figures.generated_grid(generator, figure, dataset.label_names, seed)
            _write_json(path.with_suffix(".json"), row)
            with _whole(path) as partial:
                generator.save(partial)
        generators.append(keras.saving.load_model(path, compile=False))
        rows.append(json.loads(path.with_suffix(".json").read_text()))
    return generators, rows


def _save_synthetic(config, workdir, model, artificial):
    path = workdir / "synthetic.npz"
    if config.save_synthetic and not path.exists():
        seed = derive_seed(config.seed, "saved")
        x, p = synthesis.synthesise(model, "kegnet", config.save_synthetic, seed=seed, **artificial)
        with _whole(path) as partial:
            np.savez_compressed(partial, x=x, p=p)


def _student(config, workdir, model, start, key, held_out, artificial):
    name, arm, seed = key
    path = workdir / "students" / f"{name}-{arm}-{seed}.keras"
    if not path.exists():
        student = keras.models.clone_model(start)
        student.set_weights(start.get_weights())
        row = {"name": name, "arm": arm, "seed": seed, "selection": None, "seconds": None}
        if arm != "tucker":
            print(f"{name}, {arm}, seed {seed}", flush=True)
            started = time.perf_counter()
            stream = synthesis.stream(
                model,
                arm,
                batch_size=config.batch_size,
                size=config.synthetic_size,
                seed=derive_seed(config.seed, "distillation", seed),
                **artificial,
            )
            distillation.distil(
                student,
                stream,
                held_out,
                callbacks=[_tensorboard(workdir, path.stem)],
                **config.distillation,
            )
            row["selection"] = config.distillation.selection
            row["seconds"] = time.perf_counter() - started
        _write_json(path.with_suffix(".json"), row)
        with _whole(path) as partial:
            student.save(partial)
    student = keras.saving.load_model(path, compile=False)
    return student, json.loads(path.with_suffix(".json").read_text())


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


def _export(workdir, trained, rows, x):
    """Exports the student that agrees best with the teacher on synthetic data."""
    best = max(rows, key=lambda row: (row["arm"] in synthesis.SOURCES, row["agreement"]))
    chosen = {key: best[key] for key in ("name", "arm", "seed")}
    path = workdir / "export" / "export.json"
    if not path.exists() or json.loads(path.read_text())["student"] != chosen:
        shutil.rmtree(workdir / "export", ignore_errors=True)
        with _whole(workdir / "export") as partial:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            exports = export.export(trained[tuple(chosen.values())], partial, x)
            _write_json(partial / "export.json", {"student": chosen, "exports": exports})
    return json.loads(path.read_text())["exports"]


def _tensorboard(workdir, name):
    return keras.callbacks.TensorBoard(str(workdir / "tensorboard" / name), write_graph=False)


def _write_json(path, content):
    with _whole(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


@contextlib.contextmanager
def _whole(path):
    """Yields a temporary name beside `path`, renamed to it where all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    yield partial
    os.replace(partial, path)
