"""Trainers that come back to Python every few moments, whatever a step costs."""

import time
from collections.abc import Callable

import keras
import tensorflow as tf

SECONDS = 2.0  # that an execution is to last; ours


class Paced(keras.Model):
    """A trainer whose steps are computed in executions of about `SECONDS`.

    Keras' `steps_per_execution` stands in the graph, so that another number is another graph. Here
    it is an epoch to Keras, and the graph's loop takes the number of steps as an argument, by what
    a step has last cost: one, one more whose time counts, then as many as fit. What comes out does
    not depend on it. In between, signals reach Python, and `listeners` are told.

    Where several devices share a step, each step is an execution of its own, and nobody is told.

    Args:
        **kwargs: of `keras.Model`.

    Attributes:
        epochs_done: variable, the epochs of this training that are over; `Backup` counts them.
        steps_done: variable, the steps of this training; each step counts itself.
        skip: steps of the coming epoch that are done already.
        listeners: functions of (steps done in the epoch, metrics by name).
        on_interrupt: function without arguments, called where Ctrl-C meets an epoch's steps.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # The optimiser does not count the steps that float16 skips.
        self.epochs_done, self.steps_done = (
            self.add_weight(trainable=False, initializer="zeros", dtype=dtype, name=name)
            for name, dtype in (("epochs_done", "float32"), ("steps_done", "int64"))
        )
        self.skip, self.step_seconds = 0, 0.0
        self.listeners: list[Callable[[int, dict], object]] = []
        self.on_interrupt: Callable[[], object] = lambda: None

    @property
    def frozen(self) -> list[keras.Variable]:
        """Variables that are among this trainer's weights and never change."""
        return []

    @property
    def state(self) -> list[keras.Variable]:
        """All variables that training changes, in an order of their own."""
        frozen = {id(variable) for variable in self.frozen}
        own = [variable for variable in self.weights if id(variable) not in frozen]
        measured = [variable for metric in self.metrics for variable in metric.variables]
        return [*own, *measured, *self.optimizer.variables]

    def reached(self) -> dict[str, tf.Tensor]:
        """What is measured in the epoch so far, by name."""
        return {metric.name: metric.result() for metric in self.metrics}

    def make_train_function(self, force=False):
        if self.run_eagerly or self.distribute_strategy.num_replicas_in_sync > 1:
            super().make_train_function(force)
        elif force or self.train_function is None:
            self.train_function = self._paced(self.steps_per_execution)

    def _paced(self, steps_per_epoch):
        """Function of an iterator that trains for an epoch, or for what `skip` leaves of it."""

        @tf.function(reduce_retracing=True, jit_compile=self.jit_compile, autograph=False)
        def one_step(data):
            return self.distribute_strategy.run(self.train_step, args=(data,))

        @tf.function(reduce_retracing=True, autograph=False)
        def execution(iterator, steps):
            def body(step, _):
                logs = one_step(iterator.get_next())
                self.steps_done.assign_add(1)
                return step + 1, logs

            start = 0, {name: tf.zeros(()) for name in self.reached()}
            return tf.while_loop(lambda step, _: step < steps, body, start)[1]

        def epoch(iterator):
            if not isinstance(iterator, tf.data.Iterator):  # of `train_on_batch`
                return one_step(next(iterator))
            done, self.skip = self.skip, 0
            try:
                while done < steps_per_epoch:
                    steps = self.steps_that_fit(steps_per_epoch - done)
                    started = time.perf_counter()
                    execution(iterator, tf.constant(steps))
                    self._clock(steps, time.perf_counter() - started)
                    done += steps
                    logs = self.reached()
                    for listener in self.listeners:
                        listener(done, logs)
            except KeyboardInterrupt:
                self.on_interrupt()
                raise
            return self.reached()

        self.timed = False
        return epoch

    def steps_that_fit(self, most: int) -> int:
        """Steps of the next execution, `most` at most."""
        if not self.step_seconds:
            return 1
        return max(1, min(most, int(SECONDS / self.step_seconds)))

    def _clock(self, steps, seconds):
        """Learns what a step costs; the first execution traces and compiles, and does not tell."""
        if self.timed:
            self.step_seconds = seconds / steps
        self.timed = True


class Telling(keras.callbacks.Callback):
    """Tells a function how far a `Paced` trainer is, every few moments.

    Args:
        told: function of (steps since the start of training, metrics by name).
    """

    def __init__(self, told: Callable[[int, dict], object]):
        super().__init__()
        self.told, self.before = told, 0

    def on_train_begin(self, logs=None):
        self.model.listeners.append(self._tell)

    def on_epoch_begin(self, epoch, logs=None):
        self.before = epoch * self.params["steps"]

    def on_train_batch_end(self, batch, logs=None):
        self._tell(batch + 1, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._tell(self.params["steps"], logs)

    def _tell(self, done, logs):
        self.told(self.before + done, {name: float(value) for name, value in logs.items()})
