"""How a training resumes after an interruption, and stays finite."""

import os
import pathlib
import secrets
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from kegnet_tf.extraction.pacing import Paced, Telling

# Of this process, in the names of files that it has not finished; workers take that of their run.
WRITER = os.environ.get("KEGNET_WRITER") or secrets.token_hex(8)
INTERVAL = 60.0  # seconds of steps that a kill costs at most; ours


def partial_name(path: str | os.PathLike) -> pathlib.Path:
    """Where a file is written before it gets its name: beside it, and nobody else's.

    Args:
        path: of the file; the suffix stays.
    """
    path = pathlib.Path(path)
    return path.with_name(f"partial-{WRITER}-{secrets.token_hex(4)}-{path.name}")


def write_arrays(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a file that is never half, and that has checksums.

    A disk that runs full in the middle of an `.npz` file is a plain error; a file of HDF5 has no
    checksums, and could not even be closed then.

    Args:
        path: of the file, ending in .npz; its folder is made where it is missing.
        arrays: by name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_name(path)
    try:
        np.savez(partial, **arrays)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of such a file, by name.

    Raises:
        ValueError: if it is not as it was written.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # a broken file can make NumPy raise anything
        raise refusal(path, error) from error


def refusal(path: pathlib.Path, reason: object) -> ValueError:
    """The error about a file that a training cannot go on from."""
    return ValueError(
        "`backup` must be as it was written; without the file, training starts anew. "
        f"Received: {path} ({textwrap.shorten(str(reason), 100)})."
    )


class LastFinite(keras.callbacks.Callback):
    """Ends training where a number is not finite any more, and takes the epoch before back.

    `keras.callbacks.TerminateOnNaN` ends it too, but leaves the weights as they are, and does not
    see those that the epoch's last step ruined.

    Attributes:
        kept: the weights of the last epoch in which all were finite.
    """

    def on_train_begin(self, logs=None):
        frozen = {id(each) for each in getattr(self.model, "frozen", ())}
        self.changing = [each for each in self.model.weights if id(each) not in frozen]
        self.kept = [each.numpy() for each in self.changing]

    def on_epoch_end(self, epoch, logs=None):
        weights = [each.numpy() for each in self.changing]
        if all(np.isfinite(values).all() for values in (*logs.values(), *weights)):
            self.kept = weights
        else:
            for variable, value in zip(self.changing, self.kept, strict=True):
                variable.assign(value)
            self.model.stop_training = True


class Backup(keras.callbacks.Callback):
    """Writes a `Paced` trainer's state, in one file that is never half.

    That is after each epoch but the last, within an epoch about every `INTERVAL` seconds, and where
    Ctrl-C meets the epoch's steps. Training that goes on from there ends as one that was never
    interrupted.

    `keras.callbacks.BackupAndRestore` keeps weights and epoch in two files and writes them in
    place: killed between the two, it resumes with weights of one epoch and the number of another.
    Here weights of the trainer, inside the one file, tell epoch and step.

    Args:
        path: of the file, ending in .npz; its folder is made where it is missing.
        keeping: callbacks of this training with a list of arrays, `kept`, to be kept as well.
        clock: seconds since any moment.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        keeping: Sequence[keras.callbacks.Callback] = (),
        clock=time.monotonic,
    ):
        super().__init__()
        self.path, self.keeping, self.clock = pathlib.Path(path), keeping, clock
        self.restored = None

    def on_train_begin(self, logs=None):
        self.model.listeners.append(lambda done, logs: self._keep_sometimes())
        self.model.on_interrupt = self.keep
        self.written = self.clock()

    # By now Keras has reset what is measured in an epoch, and other callbacks what they keep.
    def on_train_batch_begin(self, batch, logs=None):
        if self.restored:
            if self.model.skip:  # what was measured belongs to this epoch
                self._assign(self.restored)
            for name, arrays in _lists(self.restored, "kept").items():
                self.keeping[name].kept = arrays
            self.restored = None

    def on_epoch_end(self, epoch, logs=None):
        self.model.epochs_done.assign(epoch + 1)
        if epoch + 1 < self.params["epochs"] and not self.model.stop_training:
            self.keep()

    def restore(self) -> int:
        """Takes the state of the file, if there is one, into the trainer.

        Returns:
            Steps that it was trained for; those of `skip` belong to the epoch that goes on.

        Raises:
            ValueError: if the file is not as `Backup` wrote it for such a trainer.
        """
        if self.path.exists():
            self.restored = read_arrays(self.path)
            shapes = [value.shape for value in _lists(self.restored, "state").get(0, ())]
            if shapes != [tuple(each.shape) for each in self.model.state]:
                raise refusal(self.path, "it is of other networks")
            self._assign(self.restored)
        return int(self.model.steps_done.numpy())

    def keep(self) -> None:
        """Writes the state of now."""
        arrays = {f"state/0/{n}": each.numpy() for n, each in enumerate(self.model.state)}
        for index, callback in enumerate(self.keeping):
            arrays |= {f"kept/{index}/{n}": each for n, each in enumerate(callback.kept)}
        write_arrays(self.path, arrays)
        self.written = self.clock()

    def _keep_sometimes(self):
        if self.clock() - self.written > INTERVAL:
            self.keep()

    def _assign(self, arrays):
        for variable, value in zip(self.model.state, _lists(arrays, "state")[0], strict=True):
            variable.assign(value)


def fit(
    trainer: Paced,
    data: Callable[..., tf.data.Dataset],
    callbacks: Sequence[keras.callbacks.Callback],
    backup: Backup | None,
    told: Callable[[int, dict], object] | None = None,
    *,
    steps_per_epoch: int,
    **given,
) -> keras.callbacks.History:
    """Keras' `fit`, from where a backup was left.

    Args:
        trainer: a compiled one.
        data: function of `start`, a batch's place in its stream, that gives the endless stream from
            there on.
        callbacks: Keras callbacks.
        backup: where the state is kept and looked for; None for nowhere.
        told: function of (steps since the start, metrics by name), called every few moments; None
            for none.
        steps_per_epoch: steps in an epoch.
        **given: what else `keras.Model.fit` is to get.
    """
    steps = 0
    if backup:
        backup.set_model(trainer)
        steps = backup.restore()
        callbacks = [*callbacks, backup]
    if told:
        callbacks = [*callbacks, Telling(told)]
    epochs = int(trainer.epochs_done.numpy())
    # Where several devices share a step, nothing is kept within an epoch, and no step is counted.
    steps = max(steps, epochs * steps_per_epoch)
    trainer.skip = steps - epochs * steps_per_epoch
    return trainer.fit(
        data(start=steps),
        initial_epoch=epochs,
        steps_per_epoch=steps_per_epoch,
        shuffle=False,
        callbacks=callbacks,
        **given,
    )


def _lists(arrays, kind):
    """The lists of arrays of a kind, by number, in order."""
    found = {}
    for name, array in arrays.items():
        own, *place = name.split("/")
        if own == kind:
            number, index = map(int, place)
            found.setdefault(number, {})[index] = array
    return {number: [own[n] for n in sorted(own)] for number, own in found.items()}
