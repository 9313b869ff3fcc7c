import dataclasses
import functools
import logging
import os
import pathlib
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from kegnet_tf import extraction, teachers
from kegnet_tf.distillation import pilots
from kegnet_tf.distillation.distiller import Distiller
from kegnet_tf.distillation.evaluation import agreement
from kegnet_tf.distillation.features import features, paired
from kegnet_tf.distillation.selection import MostAgreeing
from kegnet_tf.distillation.settings import Choice, DistillationSettings

logger = logging.getLogger(__name__)
_STAYS = (
    "It agrees with its teacher in %.2f %% of held-out artificial data after its training, and did "
    "in %.2f before: it stays as it began."
)


@dataclasses.dataclass(frozen=True)
class Distilled:
    """What became of a training.

    Attributes:
        history: Keras' `History` of loss and agreement, on training and on held-out data ("val_").
        choice: the loss, the mode of BatchNorm and the features that it was trained with.
    """

    history: keras.callbacks.History
    choice: Choice


def distil(
    student: keras.Model,
    data: tf.data.Dataset | Callable[..., tf.data.Dataset],
    held_out: tuple[np.ndarray, np.ndarray],
    settings: DistillationSettings | None = None,
    *,
    teacher: keras.Model | None = None,
    devices: extraction.Devices | None = None,
    backup: str | os.PathLike | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    told: Callable[[int, dict], object] | None = None,
    verbose: int = 2,
) -> Distilled:
    """Trains a student on a stream of artificial data, without real data anywhere.

    What is "auto" is settled by `pilots.choose`, and leaves no trace but the choice. Dropout layers
    are switched off.

    Args:
        student: classifier from x to logits, trained in place.
        data: endless dataset of (x, p), as from `synthesis.Source.stream`; or a function of
            `start`, the first batch's place, that gives it from there on, so that nothing is drawn
            in vain where training goes on.
        held_out: (x, p) arrays, kept from training, on which agreement is measured each epoch.
        settings: see `DistillationSettings`; None for its defaults.
        teacher: whose features the student is to match, where the settings ask for that; a model of
            the same layers, from the same x.
        devices: how several devices share a step, and what the layers compute in.
        backup: path, ending in .npz, that holds the state while training lasts, see
            `extraction.Backup`; what pilots gave is beside it. Where it stands already, training
            goes on from there, to the same end. `remove_backup` removes all of it.
        callbacks: Keras callbacks.
        told: function of (steps since the start, metrics by name), called every few moments, with
            step 0 while a pilot lasts; None for none.
        verbose: as in `keras.Model.fit`.

    Raises:
        ValueError: if the devices cannot share a batch equally.
    """
    settings, devices = settings or DistillationSettings(), devices or extraction.Devices()
    backup = backup and pathlib.Path(backup)
    choice = settings.choice
    if choice.features != "off" and not (teacher and paired(student, teacher)):
        choice = dataclasses.replace(choice, features="off")
    given = student, teacher, data, held_out
    asked, start = choice, student.get_weights()
    if "auto" in dataclasses.astuple(choice):
        choice = _piloted(*given, settings, choice, devices, backup, told)
    settings = _paced(settings, student, asked, choice)
    before = agreement(student.predict_on_batch, *held_out)
    history = _fit(*given, settings, choice, devices, backup, callbacks, told, verbose)
    after = history.history["val_agreement"][-1]
    if settings.selection == "better" and before > after:
        logger.info(_STAYS, 100 * after, 100 * before)
        student.set_weights(start)
    return Distilled(history, choice)


def _paced(settings, student, asked, choice):
    """The settings with the learning rate that suits a choice."""
    rate = settings.learning_rate * pilots.pace(student, asked, choice)
    return dataclasses.replace(settings, learning_rate=rate)


def _piloted(student, teacher, data, held_out, settings, choice, devices, backup, told):
    """What pilots settle of a choice."""
    start = student.get_weights()
    outcomes = pilots.Outcomes(backup)
    pilot = dataclasses.replace(
        settings, epochs=1, steps_per_epoch=pilots.STEPS, selection="last", jit_compile=False
    )

    def tell(_, logs):
        told(0, logs)

    @outcomes.kept
    def agreed(tried):
        how = devices, outcomes.backup(tried), (), told and tell, 0
        paced = _paced(pilot, student, choice, tried)
        history = _fit(student, teacher, data, held_out, paced, tried, *how)
        student.set_weights(start)
        logger.debug("Pilot: %s agrees in %s.", tried, history.history["val_agreement"][-1])
        return history.history["val_agreement"][-1]

    chosen = pilots.choose(student, choice, agreed)
    logger.info(
        "Pilots chose loss %s, BatchNorm in %s mode, features %s.", *dataclasses.astuple(chosen)
    )
    return chosen


def _fit(
    student, teacher, data, held_out, settings, choice, devices, backup, callbacks, told, verbose
):
    """Trains with one choice; Keras' `History`."""
    epochs, steps = settings.epochs, settings.steps_per_epoch
    if isinstance(data, tf.data.Dataset):
        given = data

        def data(start):
            return given.skip(start)

    data, batch_size = functools.cache(data), 0  # a stream may draw a whole set to begin with
    if devices.strategy:  # 0: not known
        batch_size = data(start=0).element_spec[0].shape[0] or 0
    schedule, weight = (
        keras.optimizers.schedules.CosineDecay(start, epochs * steps)
        for start in (settings.learning_rate, settings.feature_weight)
    )
    models = [student, teacher] if choice.features == "on" else [student]
    with (
        extraction.copies(models, batch_size, devices) as (trained, *others),
        teachers.without_dropout(trained),
    ):
        found = features(trained, *others, held_out[0]) if others else None
        distiller = Distiller(trained, dtype=devices.policy)
        distiller.compile(
            keras.optimizers.Adam(schedule),
            choice,
            settings.temperature,
            found,
            weight,
            **extraction.compilation(settings.jit_compile, steps),
        )
        rows = teachers.rows_at_once(trained.input_shape[1:], 500)
        chosen = [MostAgreeing(trained)] if settings.selection == "agreement" else []
        return extraction.fit(
            distiller,
            data,
            [*callbacks, *chosen],
            extraction.Backup(backup, chosen) if backup else None,
            told,
            epochs=epochs,
            steps_per_epoch=steps,
            validation_data=tf.data.Dataset.from_tensor_slices(held_out).batch(rows),
            verbose=verbose,
        )
