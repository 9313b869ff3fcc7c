"""How the training of generators resumes after an interruption, and stays finite."""

import os
import pathlib
import secrets
import textwrap

import keras
import numpy as np

# Of this process, in the names of files that it has not finished; workers take that of their run.
WRITER = os.environ.get("KEGNET_WRITER") or secrets.token_hex(8)


def partial_name(path: str | os.PathLike) -> pathlib.Path:
    """Where a file is written before it gets its name: beside it, and nobody else's.

    Args:
        path: of the file; the suffix stays.
    """
    path = pathlib.Path(path)
    return path.with_name(f"partial-{WRITER}-{secrets.token_hex(4)}-{path.name}")


class LastFinite(keras.callbacks.Callback):
    """Ends training where a number is not finite any more, and takes the epoch before back.

    `keras.callbacks.TerminateOnNaN` ends it too, but leaves the weights as they are, and does not
    see those that the epoch's last step ruined.
    """

    def on_train_begin(self, logs=None):
        self.weights = self.model.get_weights()

    def on_epoch_end(self, epoch, logs=None):
        weights = self.model.get_weights()
        if all(np.isfinite(values).all() for values in (*logs.values(), *weights)):
            self.weights = weights
        else:
            self.model.set_weights(self.weights)
            self.model.stop_training = True


class Backup(keras.callbacks.Callback):
    """Writes the trainer's state after each epoch but the last, in one file that is never half.

    `keras.callbacks.BackupAndRestore` keeps weights and epoch in two files and writes them in
    place: killed between the two, it resumes with weights of one epoch and the number of another.
    Here a weight of `KegNet`, inside the one file, tells the epoch.

    An `.npz` file has checksums, and a disk that runs full in the middle of one is a plain error; a
    file of HDF5 has no checksums, and could not even be closed then.

    Args:
        path: of the file, ending in .npz; its folder is made where it is missing.
    """

    def __init__(self, path: str | os.PathLike):
        super().__init__()
        self.path = pathlib.Path(path)

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 < self.params["epochs"] and not self.model.stop_training:
            self.model.epochs_done.assign(epoch + 1)
            self._save()

    def restore(self) -> int:
        """Takes the state of the file, if there is one, into the trainer.

        Returns:
            Epochs that it was trained for.

        Raises:
            ValueError: if the file is not as `Backup` wrote it for such a trainer.
        """
        if self.path.exists():
            state = self._state()
            for variable, value in zip(self._variables, state, strict=True):
                variable.assign(value)
        return int(self.model.epochs_done.numpy())

    @property
    def _variables(self):
        return [*self.model.weights, *self.model.optimizer.variables]

    def _state(self):
        """The arrays of the file, checked."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                state = [file[str(index)] for index in range(len(file.files))]
            if [value.shape for value in state] != [tuple(each.shape) for each in self._variables]:
                raise ValueError("it is of other networks")
        except Exception as error:  # a broken file can make NumPy raise anything
            reason = textwrap.shorten(str(error), 100)
            raise ValueError(
                "`backup` must be as it was written; without the file, training starts anew. "
                f"Received: {self.path} ({reason})."
            ) from error
        return state

    def _save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_name(self.path)
        state = {str(index): value.numpy() for index, value in enumerate(self._variables)}
        try:
            np.savez(partial, **state)
            os.replace(partial, self.path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
