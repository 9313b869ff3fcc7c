"""The stage of extraction: a run's generators, trained or found finished."""

import csv
import dataclasses
import functools
import json
import logging
import shutil
import time
from collections.abc import Sequence

import keras

from kegnet_tf import extraction, teachers
from kegnet_tf.extraction import GeneratorResult
from kegnet_tf.runs import pictures, progress, records, tensorboard
from kegnet_tf.runs.claiming import EXTRACTION
from kegnet_tf.runs.workdir import read_epochs

logger = logging.getLogger(__name__)


@progress.stage(
    "Generators", heading="networks that learn, from the teacher alone, to draw its classes"
)
def trained(run) -> tuple[list[keras.Model], list[GeneratorResult]]:
    """All generators of a run, in `generators/`, each with its losses.

    Args:
        run: a `Run`.

    Returns:
        (generators, results): one of each for each index.
    """
    if run.config.extraction.get("gamma") and not teachers.watched(run.teacher)[1]:
        logger.info("The teacher shows no BatchNorm: `gamma` has nothing to match.")
    folder, count = run.workdir / "generators", run.config.num_generators
    paths = [folder / f"{index}.json" for index in range(count)]
    made = made_of(run)
    finished = [path for path in paths if records.read(path, made) is not None]
    if finished:
        logger.info("Generators: %d of %d stand finished.", len(finished), count)
    together = extraction.trained_together(run.teacher, run.devices)
    for group in [paths] if together else [[path] for path in paths]:
        if not {*group} <= {*finished}:
            _train(run, group)
    return _load(run, paths), [GeneratorResult(**records.read(path)) for path in paths]


def made_of(run) -> dict:
    """What a generator of a run depends on, beside its index.

    Args:
        run: a `Run`.
    """
    config = json.loads(run.config.to_json())
    made = {"teacher": run.teacher_digest, **{key: config[key] for key in EXTRACTION}}
    if extraction.trained_together(run.teacher, run.devices):
        made["num_generators"] = run.config.num_generators
    return made


def borrow_generators(run, origin) -> None:
    """Copies the generators of another run that would come out the same.

    Args:
        run: a `Run` whose generators may be missing.
        origin: the other one.
    """
    made, folder = made_of(run), run.workdir / "generators"
    for index in range(run.config.num_generators):
        path = origin.workdir / "generators" / f"{index}.json"
        result = records.read(path, made)
        if result is not None and records.read(folder / path.name, made) is None:
            files = {
                file.name: functools.partial(shutil.copyfile, file)
                for file in records.files_of(path)
                if file != path
            }
            records.write(folder / path.name, result, made, files)


def _load(run, paths):
    how = {"argument": "workdir", "safe_mode": run.loading.safe_mode}
    return [teachers.read_model(path.with_suffix(".keras"), **how) for path in paths]


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
    generators = [run.build_generator(run.seed("generator", index)) for index in indices]
    decoders = [run.build_decoder(run.seed("decoder", index)) for index in indices]
    backup = paths[0].with_suffix(".backup.npz")
    backup.parent.mkdir(parents=True, exist_ok=True)
    settings = extraction.ExtractionSettings(**run.config.extraction)
    if rates := tuple(settings.dropout):  # in turn, from the first of these generators on
        turn = indices[0] % len(rates)
        settings = dataclasses.replace(settings, dropout=rates[turn:] + rates[:turn])
    started = time.perf_counter()
    name = f"Generator {numbers} of {run.config.num_generators}"
    with progress.stage(name, settings.epochs * settings.steps_per_epoch) as stage:
        histories = extraction.extract(
            run.teacher,
            generators,
            decoders,
            settings,
            seeds=[run.seed("extraction", index) for index in indices],
            devices=run.devices,
            backup=backup,
            callbacks=[_callbacks(run, path) for path in paths],
            told=stage.tell,
            verbose=0,
        )
    seconds = (time.perf_counter() - started) / len(paths)
    for path, generator, history in zip(paths, generators, histories, strict=True):
        _save(run, path, generator, history, seconds)
    for done in (backup, *map(_log, paths)):
        done.unlink(missing_ok=True)


def _callbacks(run, path):
    log_dir = run.workdir / "tensorboard" / f"generator-{path.stem}"
    losses = keras.callbacks.CSVLogger(_log(path), append=True)
    drawings = None
    if pictures.drawable(run.teacher.input_shape[1:]):
        seed = run.seed("figures", int(path.stem))
        drawings = tensorboard.Drawings(seed, run.config.image_interval)
    return [run.log_curves(log_dir, drawings), losses]


def _save(run, path, generator, history, seconds):
    index, stopped = int(path.stem), history.model.stop_training
    epochs = history.epoch[-1] + (not stopped)
    accuracy, shares = run.recognition(run.teacher, generator, run.seed("recognition", index))
    logged = read_epochs(_log(path))
    last = logged.get(epochs - 1, {})
    result = GeneratorResult(
        seed=index,
        seconds=seconds,
        steps=epochs * run.config.extraction.steps_per_epoch,
        stopped=stopped,
        accuracy=accuracy,
        shares=shares.tolist(),
        **{loss: last.get(loss) for loss in extraction.TERMS},
    )
    files = {
        f"{index}.csv": lambda partial: _write_epochs(partial, logged),
        f"{index}.keras": generator.save,
    }
    records.write(path, dataclasses.asdict(result), made_of(run), files)


def _log(path):
    """Where Keras logs the losses of a generator in training."""
    return path.with_name(f"{path.stem}.training.csv")


def _write_epochs(path, logged):
    """A line an epoch, each epoch once, as `keras.callbacks.CSVLogger` writes them."""
    with path.open("w", newline="") as file:
        names = dict.fromkeys(name for line in logged.values() for name in line)
        writer = csv.DictWriter(file, ["epoch", *names], restval="NA")
        writer.writeheader()
        writer.writerows({"epoch": epoch, **logged[epoch]} for epoch in sorted(logged))
