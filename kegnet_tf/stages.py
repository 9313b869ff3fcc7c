"""The stages of a run, each whole or not at all, and skipped where its output stands already."""

import time

import keras
import numpy as np

from kegnet_tf import (
    batch_statistics,
    distillation,
    ensemble,
    evaluation,
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
    if config.extraction.get("gamma") and not batch_statistics.normalised(model)[1]:
        print("The teacher shows no BatchNorm: `gamma` has nothing to match.")
    folder = workdir / "generators"
    paths = [folder / f"{index}.keras" for index in range(config.num_generators)]
    # Small dense networks are bound by overhead, which those trained together share, on one device.
    together = len(model.input_shape) == 2 and not any(config.distribution.values())
    for group in [paths] if together else [[path] for path in paths]:
        if not all(path.exists() for path in group):
            _train_together(config, workdir, model, group)
    generators = [keras.saving.load_model(path, compile=False) for path in paths]
    rows = [read_json(path.with_suffix(".json")) for path in paths]
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


def _train_together(config, workdir, model, paths):
    """Trains the generators of some paths: one by `extract`, several by `extract_together`."""
    indices = [int(path.stem) for path in paths]
    numbers = " to ".join(str(index + 1) for index in sorted({indices[0], indices[-1]}))
    print(f"Generator {numbers} of {config.num_generators}", flush=True)
    seeds = {
        stage: [derive_seed(config.seed, stage, index) for index in indices]
        for stage in ("generator", "decoder", "extraction", "figures")
    }
    generators = [build_generator(config, model, seed) for seed in seeds["generator"]]
    decoders = [
        Decoder(model.input_shape[1:], generator.latent_dim, seed=seed, **config.decoder)
        for generator, seed in zip(generators, seeds["decoder"], strict=True)
    ]
    callbacks = []
    for path, seed in zip(paths, seeds["figures"], strict=True):
        log_dir = workdir / "tensorboard" / f"generator-{path.stem}"
        losses = keras.callbacks.CSVLogger(path.with_suffix(".csv"), append=True)
        callbacks.append([monitoring.tensorboard(log_dir), losses])
        if figures.drawable(model.input_shape[1:]):
            images = monitoring.GeneratorImages(log_dir, seed, config.image_interval)
            callbacks[-1].append(images)
    backup = paths[0].with_suffix(".weights.h5")
    backup.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    settings = {"backup": backup, **config.extraction}
    if len(paths) == 1:
        parts = generators[0], decoders[0]
        settings |= {"seed": seeds["extraction"][0], "callbacks": callbacks[0]}
        settings |= config.distribution
        histories = [extraction.extract(model, *parts, **settings)]
    else:
        settings |= {"seeds": seeds["extraction"], "callbacks": callbacks}
        histories = ensemble.extract_together(model, generators, decoders, **settings)
    seconds = (time.perf_counter() - started) / len(paths)
    for path, generator, history in zip(paths, generators, histories, strict=True):
        _save_generator(config, model, path, generator, history, seconds)
    backup.unlink(missing_ok=True)


def _save_generator(config, model, path, generator, history, seconds):
    index = int(path.stem)
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
    curves = read_curves(path.with_suffix(".csv"))
    for loss in extraction.TERMS:
        row[loss] = curves[loss][epochs - 1] if loss in curves and epochs else None
    write_json(path.with_suffix(".json"), row)
    with whole(path) as partial:
        generator.save(partial)


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


def artificial(config, source, generators):
    """The arguments of `synthesis.stream` that all arms share.

    Args:
        config: a preset.
        source: the teacher, or a student of it, with its own preprocessing.
        generators: those that take part.
    """
    drawn = {"generators": generators, **config.synthesis}
    if len(source.input_shape) == 4:
        given = config.data.get("mean") and (tuple(config.data.mean), tuple(config.data.std))
        drawn["pixels"] = given or preprocessing.pixels(source)
        drawn["scale"] = given or preprocessing.image_scale(source)
    return drawn


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
        x, p = synthesis.synthesise(
            model, config.source, config.save_synthetic, seed=seed, **artificial
        )
        with whole(path) as partial:
            np.savez_compressed(partial, x=x, p=p)


def train_student(
    config, workdir, model, start, key, held_out, artificial, callbacks=(), data=None
):
    """Distillation of one cell of the table: `students/NAME-ARM-SEED.keras`.

    Args:
        config: a preset.
        workdir: the run's folder, a `pathlib.Path`.
        model: the teacher, standardised.
        start: the compressed student before distillation.
        key: (name, arm, seed); the arm "tucker" stays as it starts.
        held_out: (x, p) for `distillation.distil`.
        artificial: arguments of `synthesis.stream`.
        callbacks: Keras callbacks, beside TensorBoard's.
        data: a stream of (x, p) in place of the arm's own.

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
            sources = len(artificial["generators"]) if arm in ("kegnet", "kegnet+") else 1
            data = data or synthesis.stream(
                model,
                arm,
                batch_size=config.batch_size,
                size=config.synthetic_size * sources,
                seed=derive_seed(config.seed, "distillation", seed),
                **artificial,
            )
            distillation.distil(
                student,
                data,
                held_out,
                callbacks=[
                    monitoring.tensorboard(workdir / "tensorboard" / path.stem),
                    *callbacks,
                ],
                **config.distillation,
                **config.distribution,
            )
            row["selection"] = config.distillation.selection
            row["seconds"] = time.perf_counter() - started
        write_json(path.with_suffix(".json"), row)
        with whole(path) as partial:
            preprocessing.unstandardised(student).save(partial)
    student = preprocessing.standardised(keras.saving.load_model(path, compile=False))
    return student, read_json(path.with_suffix(".json"))
