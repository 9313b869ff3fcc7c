"""The stages of a run, each whole or not at all, and skipped where its output stands already."""

import concurrent.futures
import multiprocessing
import shutil
import time

import keras
import numpy as np

from kegnet_tf import (
    distillation,
    evaluation,
    export,
    extraction,
    figures,
    monitoring,
    preprocessing,
    synthesis,
    teachers,
)
from kegnet_tf.latents import derive_seed
from kegnet_tf.networks.decoder import Decoder
from kegnet_tf.networks.generators import DenseGenerator, ImageGenerator
from kegnet_tf.workdir import read_curves, read_json, whole, write_json


def train_generators(config, workdir, model):
    """Extraction: `generators/`, each with its losses; those that cannot serve are told of.

    Args:
        config: a preset.
        workdir: the run's folder, a `pathlib.Path`.
        model: the teacher, standardised.

    Returns:
        (generators, rows): the models that take part in synthesis, and what `report.json` holds of
        each that was trained.

    Raises:
        ValueError: if the teacher recognises what none of them draws.
    """
    generators, rows = [], []
    for index in range(config.num_generators):
        path = workdir / "generators" / f"{index}.keras"
        if not path.exists():
            print(f"Generator {index + 1} of {config.num_generators}", flush=True)
            _train_generator(config, workdir, model, index, path)
        generators.append(keras.saving.load_model(path, compile=False))
        rows.append(read_json(path.with_suffix(".json")))
    used = []
    for generator, row in zip(generators, rows, strict=True):
        if row["stopped"]:
            print(
                f"Generator {row['seed'] + 1} was stopped: its losses or weights were not finite "
                f"any more. Its state after {row['steps']} steps is kept."
            )
        if row["accuracy"] >= least_recognition(generator.num_classes) or config.keep_unrecognised:
            used.append(generator)
        else:
            print(
                f"Generator {row['seed'] + 1} is left out: the teacher sees the class asked for in "
                f"{row['accuracy']:.1%} of what it draws."
            )
    if not used:
        raise ValueError(
            "`extraction` must give at least one generator whose classes the teacher recognises; "
            "more epochs or another learning_rate may, and --config.keep_unrecognised takes them "
            f"as they are. Received: accuracies {[row['accuracy'] for row in rows]}."
        )
    return used, rows


def _train_generator(config, workdir, model, index, path):
    generator = build_generator(config, model, derive_seed(config.seed, "generator", index))
    decoder = Decoder(
        model.input_shape[1:],
        generator.latent_dim,
        seed=derive_seed(config.seed, "decoder", index),
        **config.decoder,
    )
    backup, losses = path.with_suffix(".weights.h5"), path.with_suffix(".csv")
    log_dir = workdir / "tensorboard" / f"generator-{index}"
    callbacks = [monitoring.tensorboard(log_dir), keras.callbacks.CSVLogger(losses, append=True)]
    if figures.drawable(model.input_shape[1:]):
        seed = derive_seed(config.seed, "figures", index)
        callbacks.append(monitoring.GeneratorImages(log_dir, seed, config.image_interval))
    path.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    history = extraction.extract(
        model,
        generator,
        decoder,
        seed=derive_seed(config.seed, "extraction", index),
        backup=backup,
        callbacks=callbacks,
        **config.extraction,
    )
    seconds = time.perf_counter() - started
    stopped = history.model.stop_training
    epochs = history.epoch[-1] + (not stopped)
    accuracy, shares = evaluation.recognition(
        model, generator, derive_seed(config.seed, "recognition", index)
    )
    row = {
        "seed": index,
        "seconds": seconds,
        "steps": epochs * config.extraction.steps_per_epoch,
        "stopped": stopped,
        "accuracy": accuracy,
        "shares": shares.tolist(),
    }
    curves = read_curves(losses)
    for loss in ("classifier_loss", "decoder_loss", "diversity_loss"):
        row[loss] = curves[loss][epochs - 1] if loss in curves and epochs else None
    write_json(path.with_suffix(".json"), row)
    with whole(path) as partial:
        generator.save(partial)
    backup.unlink(missing_ok=True)


def least_recognition(num_classes):
    """Accuracy on asked labels below which a generator is left out.

    Twice chance; with two classes, where that is 1, halfway from chance to 1.
    """
    return min(2 / num_classes, (1 + 1 / num_classes) / 2)


def build_generator(config, model, seed):
    """The preset's generator, untrained: of images or of feature vectors, as the teacher eats.

    Args:
        config: a preset.
        model: the teacher.
        seed: integer that fixes the initial weights.
    """
    *_, num_classes = model.output_shape
    if len(model.input_shape) == 2:
        return DenseGenerator(
            model.input_shape[1], num_classes, seed=seed, **config.dense_generator
        )
    return ImageGenerator(model.input_shape[1:], num_classes, seed=seed, **config.generator)


def save_synthetic(config, workdir, model, artificial):
    """Synthesis on request: `synthetic.npz` with `config.save_synthetic` examples, x and p.

    Args:
        config: a preset.
        workdir: the run's folder, a `pathlib.Path`.
        model: the teacher, standardised.
        artificial: arguments of `synthesis.stream`.
    """
    path = workdir / "synthetic.npz"
    if config.save_synthetic and not path.exists():
        seed = derive_seed(config.seed, "saved")
        x, p = synthesis.synthesise(model, "kegnet", config.save_synthetic, seed=seed, **artificial)
        with whole(path) as partial:
            np.savez_compressed(partial, x=x, p=p)


def train_student(config, workdir, model, start, key, held_out, artificial):
    """Distillation of one cell of the table: `students/NAME-ARM-SEED.keras`.

    Args:
        config: a preset.
        workdir: the run's folder, a `pathlib.Path`.
        model: the teacher, standardised.
        start: the compressed student before distillation.
        key: (name, arm, seed); the arm "tucker" stays as it starts.
        held_out: (x, p) for `distillation.distil`.
        artificial: arguments of `synthesis.stream`.

    Returns:
        (student, row): the model, standardised, and what `report.json` holds of it so far.
    """
    name, arm, seed = key
    path = workdir / "students" / f"{name}-{arm}-{seed}.keras"
    if not path.exists():
        student = preprocessing.standardised(teachers.load(start, output="logits"))
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
                callbacks=[monitoring.tensorboard(workdir / "tensorboard" / path.stem)],
                **config.distillation,
            )
            row["selection"] = config.distillation.selection
            row["seconds"] = time.perf_counter() - started
        write_json(path.with_suffix(".json"), row)
        with whole(path) as partial:
            preprocessing.unstandardised(student).save(partial)
    student = preprocessing.standardised(keras.saving.load_model(path, compile=False))
    return student, read_json(path.with_suffix(".json"))


def export_best(workdir, rows, x, custom_objects):
    """Export: `export/`, of the student that agrees best with the teacher on synthetic data.

    Args:
        workdir: the run's folder, a `pathlib.Path`.
        rows: the students of `report.json`.
        x: what the exported files are compared on, not standardised.
        custom_objects: as in `teachers.load`.

    Returns:
        The rows of `export.export`.
    """
    best = max(rows, key=lambda row: (row["arm"] in synthesis.SOURCES, row["agreement"]))
    student = "students/{name}-{arm}-{seed}.keras".format(**best)
    path = workdir / "export" / "export.json"
    if not path.exists() or read_json(path)["student"] != student:
        shutil.rmtree(workdir / "export", ignore_errors=True)
        with whole(workdir / "export") as partial:
            # A process of its own: names inside a SavedModel count what a process did before, and
            # a run that was resumed must give the same files.
            spawn = multiprocessing.get_context("spawn")
            with concurrent.futures.ProcessPoolExecutor(1, spawn) as process:
                exports = process.submit(
                    _export_file, workdir / student, partial, x, custom_objects
                ).result()
            write_json(partial / "export.json", {"student": student, "exports": exports})
    return read_json(path)["exports"]


def _export_file(path, folder, x, custom_objects):
    # The parent wrote this file: what it asked for once is not asked for again.
    model = teachers.load(path, output="logits", custom_objects=custom_objects, safe_mode=False)
    return export.export(model, folder, x)
