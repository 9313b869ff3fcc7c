import keras
import numpy as np
import pytest
import tensorflow as tf

from kegnet_tf.extraction import Paced, pacing


class Sum(Paced):
    """Adds up its data."""

    def __init__(self):
        super().__init__()
        self.total = self.add_weight(name="total", initializer="zeros", trainable=False)
        self.mean = keras.metrics.Mean("mean")
        self.built = True

    @property
    def metrics(self):
        return [self.mean]

    def train_step(self, data):
        self.total.assign(0.5 * self.total + data)
        self.mean.update_state(data)
        return self.reached()


def fitted(epochs=1, steps=20):
    """(trainer, steps told, logs of the epochs) of a training on 0, 1, 2 ..."""
    trainer, told = Sum(), []
    trainer.compile(steps_per_execution=steps, jit_compile=False)
    trainer.listeners.append(lambda done, logs: told.append(done))
    data = tf.data.Dataset.range(1000).map(lambda each: tf.cast(each, tf.float32))
    history = trainer.fit(data, epochs=epochs, steps_per_epoch=steps, verbose=0)
    return trainer, told, history.history


def test_executions_grow_from_one_step_to_what_fits_and_the_result_is_the_same(monkeypatch):
    whole, told, logs = fitted(epochs=2)
    assert told == [1, 2, 20, 20]
    monkeypatch.setattr(pacing, "SECONDS", 0.0)
    single, told, expected = fitted(epochs=2)
    assert told == [*range(1, 21)] * 2
    assert logs == expected == {"mean": [9.5, 29.5]}
    assert single.total == whole.total
    assert single.steps_done == whole.steps_done == 40


@pytest.mark.parametrize(
    ("seconds", "steps"), [(0.0, 1), (0.05, 40), (0.001, 300), (1.9, 1), (8.0, 1)]
)
def test_an_execution_holds_the_steps_that_last_about_two_seconds(seconds, steps):
    trainer = Sum()
    trainer.step_seconds = seconds
    assert trainer.steps_that_fit(300) == steps


def test_interruption_among_steps_is_told_and_raised():
    trainer, told = Sum(), []
    trainer.compile(steps_per_execution=4, jit_compile=False)

    def interrupt(done, logs):
        raise KeyboardInterrupt

    trainer.listeners.append(interrupt)
    trainer.on_interrupt = lambda: told.append(int(trainer.steps_done))
    data = tf.data.Dataset.from_tensors(np.float32(1)).repeat()
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(data, steps_per_epoch=4, verbose=0)
    assert told == [1]
