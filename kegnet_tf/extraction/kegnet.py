from collections.abc import Sequence

import keras
import tensorflow as tf

from kegnet_tf import teachers
from kegnet_tf.extraction import losses
from kegnet_tf.extraction.devices import apply_gradients
from kegnet_tf.extraction.pacing import Paced
from kegnet_tf.extraction.settings import ExtractionSettings


@keras.saving.register_keras_serializable(package="kegnet_tf")
class ClassBalance(keras.metrics.Metric):
    """Entropy of the teacher's answers over the classes, in units of the largest possible.

    1 where every class is answered equally often, 0 where one class takes all.

    Args:
        num_classes: how many classes there are.
        name: of the metric.
        **kwargs: of `keras.metrics.Metric`.
    """

    def __init__(self, num_classes: int, name: str = "class_balance", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        self.counts = self.add_weight(shape=(num_classes,), initializer="zeros", name="counts")

    def update_state(self, logits):
        # Not `tf.math.bincount`, which XLA cannot compile.
        answers = tf.one_hot(tf.argmax(logits, axis=-1), self.num_classes)
        self.counts.assign_add(tf.reduce_sum(answers, axis=0))

    def result(self):
        return balance(self.counts)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


def balance(counts: tf.Tensor) -> tf.Tensor:
    """Entropy of counts over the last axis, in units of the largest possible."""
    p = counts / tf.maximum(tf.reduce_sum(counts, axis=-1, keepdims=True), 1.0)
    return -tf.reduce_sum(tf.math.xlogy(p, p), axis=-1) / tf.math.log(float(counts.shape[-1]))


class KegNet(Paced):
    """Trains a generator and its decoder to extract what a frozen teacher knows.

    The loss is classifier_loss + alpha decoder_loss + beta diversity_loss (Equation 7), and on
    request + gamma statistics_loss (DeepInversion). Only the variables of generator and decoder
    reach the optimiser, and the teacher runs in inference mode, but for its dropout, which is drawn
    in each training step.

    Args:
        teacher: classifier from x to logits, [batch, num_classes].
        generator: model from (y, z) to x.
        decoder: model from x to z.
        **kwargs: of `keras.Model`.
    """

    def __init__(
        self, teacher: keras.Model, generator: keras.Model, decoder: keras.Model, **kwargs
    ):
        super().__init__(**kwargs)
        self.teacher = teacher
        self.generator = generator
        self.decoder = decoder
        self.means = {
            name: keras.metrics.Mean(name) for name in ("loss", *losses.TERMS, "confidence")
        }
        self.accuracy = keras.metrics.CategoricalAccuracy("accuracy")
        self.class_balance = ClassBalance(generator.num_classes)
        self.built = True

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str,
        settings: ExtractionSettings | None = None,
        seed: int = 0,
        **kwargs,
    ) -> None:
        """Configures training.

        Args:
            optimizer: a Keras optimiser.
            settings: for the weights of the losses, `distance`, `jitter` and the first rate of
                `dropout`; None for the defaults. What remains of them is for `extract`, and the
                optimiser has a rate of its own.
            seed: integer of what dropout leaves out.
            **kwargs: of `keras.Model.compile`.
        """
        settings = settings or ExtractionSettings()
        super().compile(optimizer=optimizer, **kwargs)
        self.settings = settings
        images = len(self.teacher.input_shape) == 4
        # What comes to each BatchNorm; nobody asks at gamma 0, where any teacher will do.
        watched = teachers.watched(self.teacher) if settings.gamma else (None, [])
        self.watched, self.norms = (watched[0] or self.teacher), watched[1]
        self.seed = seed
        self.stochastic = self._stochastic(settings.dropout)
        largest = min(self.teacher.input_shape[1:3]) // 8 if images else 0
        self.jitter = min(settings.jitter, largest)
        self.optimizer.build(self.learned_variables)

    @property
    def learned_variables(self):
        return self.generator.trainable_variables + self.decoder.trainable_variables

    @property
    def frozen(self):
        return self.teacher.weights

    @property
    def metrics(self):
        computed = {"diversity_loss": self.settings.beta, "statistics_loss": self.norms}
        means = [mean for name, mean in self.means.items() if computed.get(name, True)]
        return [*means, self.accuracy, self.class_balance]

    def call(self, inputs, training=None):
        return self.generator(inputs, training=training)

    def _stochastic(self, given):
        """The model that is watched, under dropout; None where there is none for any generator."""
        if given and not any(given):  # nobody looks for it then, and any teacher will do
            return None
        found = teachers.stochastic(self.watched, put_in=bool(given))
        return found if found.shapes and any(given or found.rates) else None

    def rates(self, stochastic: teachers.Stochastic, index: int) -> Sequence[float]:
        """Of each scale of the teacher's dropout, for the generator of an index."""
        given = self.settings.dropout
        return [given[index % len(given)]] * len(stochastic.shapes) if given else stochastic.rates

    def draw_scales(self, batch_size: int, seed: int, index: int = 0) -> list[tf.Tensor]:
        """What the teacher's dropout multiplies by in this step.

        Args:
            batch_size: rows of this replica.
            seed: integer.
            index: of the generator.

        Returns:
            One for each dropout layer, [batch, ...]; none where there is no dropout.
        """
        if not self.stochastic:
            return []
        here = tf.distribute.get_replica_context()
        first = here.replica_id_in_sync_group * batch_size
        drawn = self.stochastic.scales(
            seed,
            self.optimizer.iterations,
            batch_size * here.num_replicas_in_sync,
            self.rates(self.stochastic, index),
        )
        return [scale[first : first + batch_size] for scale in drawn]

    def compute_losses(
        self, y: tf.Tensor, z: tf.Tensor, training: bool, scales: Sequence[tf.Tensor] = ()
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Every term of Equation 7 for one batch.

        Args:
            y: label vectors, [batch, num_classes].
            z: latents, [batch, latent_dim].
            training: whether generator and decoder run in training mode.
            scales: of the teacher's dropout, as drawn; none for a teacher in inference mode.

        Returns:
            (terms, logits): losses by name, "loss" their weighted sum, and the teacher's answers.
        """
        x = tf.cast(self.generator((y, z), training=training), tf.float32)
        seen = x
        if training and self.jitter:
            place = tf.stack([tf.cast(self.optimizer.iterations, tf.int32), 0])
            shift = tf.random.stateless_uniform(
                (2,), place, -self.jitter, self.jitter + 1, tf.int32
            )
            seen = tf.roll(x, shift, (1, 2))
        model, inputs = self.watched, seen
        if scales:
            model, inputs = self.stochastic.model, [seen, *scales]
        logits, *inputs = keras.tree.flatten(model(inputs, training=False))
        logits, *inputs = (tf.cast(values, tf.float32) for values in (logits, *inputs))
        decoded = tf.cast(self.decoder(x, training=training), tf.float32)
        terms = {"classifier_loss": losses.classifier_loss(y, logits)}
        terms["decoder_loss"] = losses.decoder_loss(z, decoded)
        terms["loss"] = terms["classifier_loss"] + self.settings.alpha * terms["decoder_loss"]
        if self.settings.beta:
            terms["diversity_loss"] = losses.diversity_loss(z, x, self.settings.distance)
            terms["loss"] += self.settings.beta * terms["diversity_loss"]
        if self.norms:
            means = [norm.moving_mean for norm in self.norms]
            variances = [norm.moving_variance + norm.epsilon for norm in self.norms]
            terms["statistics_loss"] = losses.statistics_loss(inputs, means, variances)
            terms["loss"] += self.settings.gamma * terms["statistics_loss"]
        return terms, logits

    def train_step(self, data):
        y, z, *_ = data  # `train_on_batch` adds the weights of none
        scales = self.draw_scales(tf.shape(y)[0], self.seed)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in self.learned_variables])
            terms, logits = self.compute_losses(y, z, training=True, scales=scales)
            # The gradients of the replicas are added up.
            share = terms["loss"] / self.distribute_strategy.num_replicas_in_sync
            scaled = self.optimizer.scale_loss(share)
        gradients = tape.gradient(scaled, [variable.value for variable in self.learned_variables])
        apply_gradients(self.optimizer, gradients, self.learned_variables)
        return self._update_metrics(y, terms, logits)

    def test_step(self, data):
        y, z, *_ = data  # `train_on_batch` adds the weights of none
        return self._update_metrics(y, *self.compute_losses(y, z, training=False))

    def _update_metrics(self, y, terms, logits):
        terms["confidence"] = tf.reduce_mean(tf.reduce_max(tf.nn.softmax(logits), axis=-1))
        for name, value in terms.items():
            self.means[name].update_state(value)
        self.accuracy.update_state(y, logits)
        self.class_balance.update_state(logits)
        return {metric.name: metric.result() for metric in self.metrics}
