"""Several generators trained at once, to share what small networks pay for each operation."""

import itertools
import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from kegnet_tf.extraction.devices import apply_gradients
from kegnet_tf.extraction.kegnet import KegNet, balance
from kegnet_tf.extraction.settings import ExtractionSettings


class Ensemble(KegNet):
    """Trains k pairs of generator and decoder at once, each as `KegNet` trains it alone.

    What a pair learns is a row of `rows`, [k, weights]; its moving statistics are one of
    `statistics`. A step is `KegNet`'s, mapped over the rows. Adam works elementwise, so that one of
    [k, weights] is k of them.

    Args:
        teacher: classifier from x to logits, [batch, num_classes].
        generators: k models from (y, z) to x, alike but for their weights, their only state.
        decoders: k models from x to z, alike but for their weights, too.

    Raises:
        ValueError: if the lists differ in length, or the weights in shape.
    """

    def __init__(
        self,
        teacher: keras.Model,
        generators: Sequence[keras.Model],
        decoders: Sequence[keras.Model],
    ):
        check_length("decoders", decoders, generators)
        # The first pair stands for all: a step puts each row in the place of its variables.
        super().__init__(teacher, generators[0], decoders[0])
        learned, moving = zip(*map(_variables, generators, decoders), strict=True)
        self.learned, self.moving = learned[0], moving[0]
        shapes = [
            [place.shape for place in (*own, *other)]
            for own, other in zip(learned, moving, strict=True)
        ]
        if any(each != shapes[0] for each in shapes):
            raise ValueError(
                "`generators` and `decoders` must be alike. Received: weights of other shapes."
            )
        k = len(generators)
        self.rows = self._add_rows("rows", learned)
        self.statistics = self._add_rows("statistics", moving)
        self.counts = self._add("counts", (k, self.generator.num_classes), "zeros")
        # Epoch in which a pair was stopped, or -1; in the backup, so that it stays stopped.
        self.stopped = self._add("stopped", (k,), keras.initializers.Constant(-1))

    def _add(self, name, shape, initializer):
        return self.add_weight(shape=shape, initializer=initializer, trainable=False, name=name)

    def _add_rows(self, name, members):
        rows = np.concatenate([_joined(member, 1) for member in members])
        return self._add(name, rows.shape, lambda shape, dtype: rows)

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str,
        settings: ExtractionSettings | None = None,
        seeds: Sequence[int] | None = None,
        **kwargs,
    ) -> None:
        """Configures training.

        Args:
            optimizer: a Keras optimiser.
            settings: as in `KegNet.compile`.
            seeds: one integer for each pair, of what dropout leaves out; None for 0 to k - 1.
            **kwargs: of `keras.Model.compile`.

        Raises:
            ValueError: if there is not one seed for each pair.
        """
        k = self.rows.shape[0]
        seeds = range(k) if seeds is None else seeds
        check_length("seeds", seeds, range(k))
        super().compile(optimizer, settings, seeds, **kwargs)
        self.names = [metric.name for metric in super().metrics[:-1]]
        self.sums = self._add("sums", (len(self.names) + 1, self.counts.shape[0]), "zeros")

    @property
    def learned_variables(self):
        return [self.rows]

    @property
    def metrics(self):
        return []

    def train_step(self, data):
        y, z = data  # [k, batch, num_classes] and [k, batch, latent_dim]
        k = self.rows.shape[0]
        drawn = [self.draw_scales(y.shape[1], seed, index) for index, seed in enumerate(self.seed)]
        scales = [tf.stack(each) for each in zip(*drawn, strict=True)]
        learned = _parts(self.rows.value, self.learned)
        moving = _parts(self.statistics.value, self.moving)
        terms, gradients, moving, counts = tf.vectorized_map(
            self._member_step, (y, z, scales, learned, moving)
        )
        apply_gradients(self.optimizer, [_joined(gradients, k)], [self.rows])
        self.statistics.assign(_joined(moving, k))
        self.counts.assign_add(counts)
        terms["steps"] = tf.ones(k)
        self.sums.assign_add(tf.stack([terms[name] for name in (*self.names, "steps")]))
        return self.reached()

    def reached(self):
        return {name: tf.reduce_mean(values) for name, values in self.answers().items()}

    def _member_step(self, member):
        y, z, scales, learned, moving = member
        places = [*zip(self.learned + self.moving, learned + moving, strict=True)]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(learned)
            with keras.StatelessScope(places) as scope:
                terms, logits = self.compute_losses(y, z, training=True, scales=scales)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(terms["loss"], learned, unconnected_gradients=zero)
        answers = tf.one_hot(tf.argmax(logits, axis=-1), y.shape[-1])
        terms["confidence"] = tf.reduce_mean(tf.reduce_max(tf.nn.softmax(logits), axis=-1))
        terms["accuracy"] = tf.reduce_mean(tf.reduce_sum(answers * y, axis=-1))
        moving = [scope.get_current_value(place) for place in self.moving]
        return terms, gradients, moving, tf.reduce_sum(answers, axis=0)

    def answers(self):
        """What `KegNet` measures in an epoch so far, by name: [k]."""
        *means, _ = tf.unstack(self.sums / tf.maximum(self.sums[-1], 1.0))
        balances = balance(self.counts)
        return dict(zip([*self.names, "class_balance"], [*means, balances], strict=True))


class Members(keras.callbacks.Callback):
    """Keeps each member's networks, logs and callbacks, and stops those that are not finite.

    The row of a stopped member trains on in vain, and is taken back after each epoch.

    Args:
        members: a compiled `KegNet` of each pair of the `Ensemble` that is trained.
        callbacks: a list of Keras callbacks for each.

    Attributes:
        kept: what is given back to those that are stopped, rows and statistics.
    """

    def __init__(
        self,
        members: Sequence[KegNet],
        callbacks: Sequence[Sequence[keras.callbacks.Callback]],
    ):
        super().__init__()
        self.members, self.callbacks = members, callbacks

    def on_train_begin(self, logs=None):
        self.kept = self._state()
        self.lists = [
            keras.callbacks.CallbackList([*each], add_history=True, model=member, **self.params)
            for each, member in zip(self.callbacks, self.members, strict=True)
        ]
        for index, member in enumerate(self.members):
            self._write_back(index)
            stopped = int(self.model.stopped[index])
            member.stop_training = stopped >= 0
            if member.stop_training:  # before an interruption
                member.history.epoch = [stopped]
            else:
                self.lists[index].on_train_begin()

    def on_epoch_begin(self, epoch, logs=None):
        for total in (self.model.sums, self.model.counts):
            total.assign(tf.zeros_like(total))
        for index in self._running():
            self.lists[index].on_epoch_begin(epoch)

    def on_epoch_end(self, epoch, logs=None):
        state, answers = self._state(), self.model.answers()
        stopped = self.model.stopped.numpy().copy()
        for index in self._running():
            logs = {name: float(values[index]) for name, values in answers.items()}
            if all(np.isfinite(own).all() for own in (*logs.values(), *(s[index] for s in state))):
                for last, now in zip(self.kept, state, strict=True):
                    last[index] = now[index]
                self._write_back(index)
            else:
                self.members[index].stop_training = True
            self.lists[index].on_epoch_end(epoch, logs)
            if self.members[index].stop_training:
                stopped[index] = epoch
                self.lists[index].on_train_end(logs)
        self.model.stopped.assign(stopped)
        self.model.rows.assign(self.kept[0])
        self.model.statistics.assign(self.kept[1])
        self.model.stop_training = not self._running()

    def on_train_end(self, logs=None):
        for index in self._running():
            self.lists[index].on_train_end(logs)

    def _running(self):
        return [index for index, member in enumerate(self.members) if not member.stop_training]

    def _state(self):
        return self.model.rows.numpy().copy(), self.model.statistics.numpy().copy()

    def _write_back(self, index):
        member = self.members[index]
        places = _variables(member.generator, member.decoder)
        for rows, own in zip(self.kept, places, strict=True):
            for place, part in zip(own, _parts(rows[index : index + 1], own), strict=True):
                place.assign(part[0])


def check_length(name: str, members: Sequence, generators: Sequence) -> None:
    """Raises a ValueError unless there is one member for each generator, and at least one."""
    if not 0 < len(generators) == len(members):
        raise ValueError(
            f"`{name}` must be as many as `generators`, at least one. "
            f"Received: {len(members)} and {len(generators)}."
        )


def _variables(generator, decoder):
    return (
        generator.trainable_variables + decoder.trainable_variables,
        generator.non_trainable_weights + decoder.non_trainable_weights,
    )


def _parts(rows, places):
    """Rows, [k, values], cut into [k, *shape] for each variable."""
    ends = itertools.accumulate(math.prod(place.shape) for place in places)
    return [
        tf.reshape(rows[:, end - math.prod(place.shape) : end], (rows.shape[0], *place.shape))
        for place, end in zip(places, ends, strict=True)
    ]


def _joined(parts, members):
    """The inverse of `_parts`."""
    return tf.concat(
        [tf.zeros((members, 0)), *(tf.reshape(part, (members, -1)) for part in parts)], axis=1
    )
