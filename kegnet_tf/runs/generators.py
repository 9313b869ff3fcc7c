"""The stage of extraction: a run's generators, trained or found finished."""

import dataclasses
import logging
import pathlib
import time
from collections.abc import Sequence

import keras

from kegnet_tf import extraction, teachers
from kegnet_tf.extraction import GeneratorResult
from kegnet_tf.runs import pictures, tensorboard
from kegnet_tf.runs.workdir import read_curves, read_json, whole, write_json

logger = logging.getLogger(__name__)


def trained(run) -> tuple[list[keras.Model], list[GeneratorResult]]:
    """All generators of a run, in `generators/`, each with its losses.

    Args:
        run: a `Run`.

    Returns:
        (generators, results): one of each for each index.
    """
    if run.config.extraction.get("gamma") and not teachers.watched(run.teacher)[1]:
        logger.info("The teacher shows no BatchNorm: `gamma` has nothing to match.")
    folder = run.workdir / "generators"
    paths = [folder / f"{index}.keras" for index in range(run.config.num_generators)]
    together = extraction.trained_together(run.teacher, run.devices)
    for group in [paths] if together else [[path] for path in paths]:
        if not all(path.exists() for path in group):
            _train(run, group)
    generators = [keras.saving.load_model(path, compile=False) for path in paths]
    return generators, [read_result(path) for path in paths]


def read_result(path: pathlib.Path) -> GeneratorResult:
    """What stands in the JSON file beside a generator's."""
    return GeneratorResult(**read_json(path.with_suffix(".json")))


def recognised(
    generators: Sequence[keras.Model], results: Sequence[GeneratorResult], keep_all: bool
) -> list[keras.Model]:
    """The generators that take part in synthesis; a note is logged of the others.

    Args:
        generators: all of a run.
        results: of each.
        keep_all: whether those take part whose classes the teacher does not recognise.

    Raises:
        ValueError: if none is left.
    """
    used = []
    for generator, result in zip(generators, results, strict=True):
        number = result.seed + 1
        if result.stopped:
            logger.warning(
                "Generator %d was stopped: its losses or weights were not finite any more. Its "
                "state after %d steps is kept.",
                number,
                result.steps,
            )
        if result.accuracy >= extraction.least_recognition(generator.num_classes) or keep_all:
            used.append(generator)
        else:
            logger.warning(
                "Generator %d is left out: the teacher sees the class asked for in %.1f%% of what "
                "it draws.",
                number,
                100 * result.accuracy,
            )
    if not used:
        raise ValueError(
            "`extraction` must give at least one generator whose classes the teacher recognises; "
            "more epochs or another learning_rate may, and --config.keep_unrecognised takes them "
            f"as they are. Received: accuracies {[result.accuracy for result in results]}."
        )
    return used


def _train(run, paths):
    """Trains the generators of some paths: one, or several together."""
    indices = [int(path.stem) for path in paths]
    numbers = " to ".join(str(index + 1) for index in sorted({indices[0], indices[-1]}))
    logger.info("Generator %s of %d", numbers, run.config.num_generators)
    generators = [run.build_generator(run.seed("generator", index)) for index in indices]
    decoders = [run.build_decoder(run.seed("decoder", index)) for index in indices]
    backup = paths[0].with_suffix(".weights.h5")
    backup.parent.mkdir(parents=True, exist_ok=True)
    settings = extraction.ExtractionSettings(**run.config.extraction)
    started = time.perf_counter()
    histories = extraction.extract(
        run.teacher,
        generators,
        decoders,
        settings,
        seeds=[run.seed("extraction", index) for index in indices],
        devices=run.devices,
        backup=backup,
        callbacks=[_callbacks(run, path) for path in paths],
    )
    seconds = (time.perf_counter() - started) / len(paths)
    for path, generator, history in zip(paths, generators, histories, strict=True):
        _save(run, path, generator, history, seconds)
    backup.unlink(missing_ok=True)


def _callbacks(run, path):
    log_dir = run.workdir / "tensorboard" / f"generator-{path.stem}"
    losses = keras.callbacks.CSVLogger(path.with_suffix(".csv"), append=True)
    callbacks = [run.log_curves(log_dir), losses]
    if pictures.drawable(run.teacher.input_shape[1:]):
        seed = run.seed("figures", int(path.stem))
        callbacks.append(tensorboard.GeneratorImages(log_dir, seed, run.config.image_interval))
    return callbacks


def _save(run, path, generator, history, seconds):
    index, stopped = int(path.stem), history.model.stop_training
    epochs = history.epoch[-1] + (not stopped)
    accuracy, shares = run.recognition(run.teacher, generator, run.seed("recognition", index))
    curves = read_curves(path.with_suffix(".csv"))
    losses = {
        loss: curves[loss][epochs - 1] if loss in curves and epochs else None
        for loss in extraction.TERMS
    }
    result = GeneratorResult(
        seed=index,
        seconds=seconds,
        steps=epochs * run.config.extraction.steps_per_epoch,
        stopped=stopped,
        accuracy=accuracy,
        shares=shares.tolist(),
        **losses,
    )
    write_json(path.with_suffix(".json"), dataclasses.asdict(result))
    with whole(path) as partial:
        generator.save(partial)
