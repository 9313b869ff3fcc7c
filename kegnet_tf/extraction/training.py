import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Sequence

import keras

from kegnet_tf.extraction import latents
from kegnet_tf.extraction.devices import Devices, compilation, copies
from kegnet_tf.extraction.kegnet import KegNet
from kegnet_tf.extraction.resuming import Backup, LastFinite, fit
from kegnet_tf.extraction.settings import ExtractionSettings
from kegnet_tf.extraction.together import Ensemble, Members, check_length


def extract(
    teacher: keras.Model,
    generators: Sequence[keras.Model],
    decoders: Sequence[keras.Model],
    settings: ExtractionSettings | None = None,
    *,
    seeds: Sequence[int],
    devices: Devices | None = None,
    backup: str | os.PathLike | None = None,
    callbacks: Sequence[Sequence[keras.callbacks.Callback]] = (),
    told: Callable[[int, dict], object] | None = None,
    verbose: int = 2,
) -> list[keras.callbacks.History]:
    """Trains generators on a teacher, all at once where `trained_together` says so.

    Each ends with the weights that it would have alone, up to rounding.

    Args:
        teacher: classifier from x to logits; it stays as it is.
        generators: models from (y, z) to x, trained in place; alike but for their weights where
            they are trained together.
        decoders: models from x to z, one for each generator, trained in place.
        settings: losses, steps and learning rate, the same for all; None for the defaults.
        seeds: integer of the stream of (y, z), for each generator.
        devices: where and in what precision the steps are computed; None for one device and the
            models' own precision.
        backup: path, ending in .npz, that holds the state while training lasts, see `Backup`.
            Where it stands already, training goes on from there, to the same end. Generators that
            are trained one after another have a file each, as "a-0.npz" of "a.npz".
        callbacks: a list of Keras callbacks for each generator, or () for none. Their model is a
            `KegNet` of that generator; of several trained together, they see the begin and the end
            of training and of epochs, not batches.
        told: function of (steps since a generator's start, metrics by name), called every few
            moments; None for none.
        verbose: as in `keras.Model.fit`; of several trained together, means are printed.

    Returns:
        Keras' `History` for each generator, of the losses and of what the teacher says of the data.
        Where a loss or a weight was not finite after an epoch, it ends with that epoch,
        `history.model.stop_training` is true, and the networks hold the state of the epoch before;
        the other generators train on.

    Raises:
        ValueError: if lists differ in length, or networks that are trained together are not alike.
    """
    settings, devices = settings or ExtractionSettings(), devices or Devices()
    callbacks = callbacks or [()] * len(generators)
    for name, of_each in (("decoders", decoders), ("seeds", seeds), ("callbacks", callbacks)):
        check_length(name, of_each, generators)
    if len(generators) > 1 and trained_together(teacher, devices):
        pairs = generators, decoders
        return _train_together(teacher, *pairs, settings, seeds, backup, callbacks, told, verbose)
    paths = _paths(backup, len(generators))
    members = zip(generators, decoders, seeds, paths, callbacks, strict=True)
    return [
        _train_alone(
            (teacher, generator, decoder), _own(settings, index), *given, devices, told, verbose
        )
        for index, (generator, decoder, *given) in enumerate(members)
    ]


def trained_together(teacher: keras.Model, devices: Devices | None = None) -> bool:
    """Whether `extract` trains several generators of this teacher at once.

    Small dense networks are bound by overhead, which those trained together share, on one device.

    Args:
        teacher: classifier from x to logits.
        devices: as in `extract`.
    """
    return len(teacher.input_shape) == 2 and devices in (None, Devices())


def _train_alone(models, settings, seed, backup, callbacks, devices, told, verbose):
    with copies(models, settings.batch_size, devices) as made:
        kegnet = KegNet(*made, dtype=devices.policy)
        kegnet.compile(
            keras.optimizers.Adam(settings.learning_rate),
            settings,
            seed,
            **compilation(settings.jit_compile, settings.steps_per_epoch),
        )
        data = functools.partial(latents.stream, seed, *_shape(models[1], settings))
        finite = LastFinite()
        return _fit(kegnet, data, settings, finite, callbacks, backup, told, verbose)


def _train_together(
    teacher, generators, decoders, settings, seeds, backup, callbacks, told, verbose
):
    ensemble = Ensemble(teacher, generators, decoders)
    adam = keras.optimizers.Adam(settings.learning_rate)
    choices = {
        "jit_compile": settings.jit_compile,
        "steps_per_execution": settings.steps_per_epoch,
    }
    ensemble.compile(adam, settings, seeds, **choices)
    members = [KegNet(teacher, *pair) for pair in zip(generators, decoders, strict=True)]
    for member in members:
        member.compile(adam, settings)  # the same one, which counts the steps for callbacks
    data = functools.partial(latents.stream_together, seeds, *_shape(generators[0], settings))
    _fit(ensemble, data, settings, Members(members, callbacks), (), backup, told, verbose)
    return [member.history for member in members]


def _fit(trainer, data, settings, finite, callbacks, backup, told, verbose):
    """Trains from where a backup was left; `data` is a stream of (y, z) for a start."""
    return fit(
        trainer,
        data,
        [finite, *callbacks],
        Backup(backup, [finite]) if backup else None,
        told,
        epochs=settings.epochs,
        steps_per_epoch=settings.steps_per_epoch,
        verbose=verbose,
    )


def _own(settings, index):
    """Settings of one of several generators, each with its rate of dropout."""
    rates = settings.dropout
    own = rates[index % len(rates) :][:1] if rates else ()
    return dataclasses.replace(settings, dropout=own)


def _shape(generator, settings):
    return settings.batch_size, generator.num_classes, generator.latent_dim


def _paths(backup, count):
    """A path of a backup for each of the generators that are trained one after another."""
    if not backup or count == 1:
        return [backup] * count
    path, ending = pathlib.Path(backup), ".npz"
    name = path.name.removesuffix(ending)
    return [path.with_name(f"{name}-{index}{ending}") for index in range(count)]
