import pathlib

import keras
import numpy as np
import tensorflow as tf

from kegnet_tf import batch_statistics, distribution, latents, losses, workdir

TERMS = ("classifier_loss", "decoder_loss", "diversity_loss", "statistics_loss")


@keras.saving.register_keras_serializable(package="kegnet_tf")
class ClassBalance(keras.metrics.Metric):
    """Entropy of the teacher's answers over the classes, in units of the largest possible.

    1 where every class is answered equally often, 0 where one class takes all.

    Args:
        num_classes: how many classes there are.
        name: of the metric.
        **kwargs: of `keras.metrics.Metric`.
    """

    def __init__(self, num_classes, name="class_balance", **kwargs):
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


def balance(counts):
    """Entropy of counts over the last axis, in units of the largest possible."""
    p = counts / tf.maximum(tf.reduce_sum(counts, axis=-1, keepdims=True), 1.0)
    return -tf.reduce_sum(tf.math.xlogy(p, p), axis=-1) / tf.math.log(float(counts.shape[-1]))


class KegNet(keras.Model):
    """Trains a generator and its decoder to extract what a frozen teacher knows.

    The loss is classifier_loss + alpha decoder_loss + beta diversity_loss (Equation 7). Only the
    variables of generator and decoder reach the optimiser, and the teacher runs in inference mode.

    Args:
        teacher: classifier from x to logits, [batch, num_classes].
        generator: model from (y, z) to x.
        decoder: model from x to z.
        **kwargs: of `keras.Model`.
    """

    def __init__(self, teacher, generator, decoder, **kwargs):
        super().__init__(**kwargs)
        self.teacher = teacher
        self.generator = generator
        self.decoder = decoder
        self.means = {name: keras.metrics.Mean(name) for name in ("loss", *TERMS, "confidence")}
        self.accuracy = keras.metrics.CategoricalAccuracy("accuracy")
        self.class_balance = ClassBalance(generator.num_classes)
        # Of this training, for `Backup`; the optimiser does not count the steps that float16 skips.
        self.epochs_done = self.add_weight(trainable=False, initializer="zeros", name="epochs_done")
        self.built = True

    def compile(self, optimizer, alpha=1.0, beta=0.0, gamma=0.0, distance="l1", jitter=0, **kwargs):
        """Configures training.

        Args:
            optimizer: a Keras optimiser.
            alpha: weight of the decoder loss, 0 or more.
            beta: weight of the diversity loss, 0 or more; at 0 that loss is not computed.
            gamma: weight of the statistics loss, 0 or more; at 0, or where the teacher has no
                BatchNorm, that loss is not computed.
            distance: "l1" or "l2", of the diversity loss.
            jitter: pixels, 0 or more, by which a training batch of images is at most moved, around
                the edges and at random, before the teacher sees it (DeepInversion). What it still
                recognises then is no single pixel's doing. Never more than an eighth of a side;
                tables are left alone.
            **kwargs: of `keras.Model.compile`.

        Raises:
            ValueError: if a weight is negative.
        """
        weights = {"alpha": alpha, "beta": beta, "gamma": gamma, "jitter": jitter}
        for name, weight in weights.items():
            if not weight >= 0:
                raise ValueError(f"`{name}` must be 0 or more. Received: {weight}.")
        if distance not in losses.DISTANCES:
            raise ValueError(f"`distance` must be 'l1' or 'l2'. Received: {distance!r}.")
        super().compile(optimizer=optimizer, **kwargs)
        self.alpha, self.beta, self.gamma, self.distance = alpha, beta, gamma, distance
        images = len(self.teacher.input_shape) == 4
        # What comes to each BatchNorm; nobody asks at gamma 0, where any teacher will do.
        watched = batch_statistics.normalised(self.teacher) if gamma else (None, [])
        self.watched, self.norms = watched
        self.jitter = min(jitter, min(self.teacher.input_shape[1:3]) // 8) if images else 0
        self.optimizer.build(self.learned_variables)

    @property
    def learned_variables(self):
        return self.generator.trainable_variables + self.decoder.trainable_variables

    @property
    def metrics(self):
        computed = {"diversity_loss": self.beta, "statistics_loss": self.norms}
        means = [mean for name, mean in self.means.items() if computed.get(name, True)]
        return [*means, self.accuracy, self.class_balance]

    def call(self, inputs, training=None):
        return self.generator(inputs, training=training)

    def compute_losses(self, y, z, training):
        """Every term of Equation 7 for one batch.

        Args:
            y: label vectors, [batch, num_classes].
            z: latents, [batch, latent_dim].
            training: whether generator and decoder run in training mode.

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
        if self.norms:
            logits, *inputs = self.watched(seen, training=False)
            inputs = [tf.cast(values, tf.float32) for values in inputs]
        else:
            logits = self.teacher(seen, training=False)
        logits = tf.cast(logits, tf.float32)
        decoded = tf.cast(self.decoder(x, training=training), tf.float32)
        terms = {"classifier_loss": losses.classifier_loss(y, logits)}
        terms["decoder_loss"] = losses.decoder_loss(z, decoded)
        terms["loss"] = terms["classifier_loss"] + self.alpha * terms["decoder_loss"]
        if self.beta:
            terms["diversity_loss"] = losses.diversity_loss(z, x, self.distance)
            terms["loss"] += self.beta * terms["diversity_loss"]
        if self.norms:
            means = [norm.moving_mean for norm in self.norms]
            variances = [norm.moving_variance + norm.epsilon for norm in self.norms]
            terms["statistics_loss"] = losses.statistics_loss(inputs, means, variances)
            terms["loss"] += self.gamma * terms["statistics_loss"]
        return terms, logits

    def train_step(self, data):
        y, z, *_ = data  # `train_on_batch` adds the weights of none
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in self.learned_variables])
            terms, logits = self.compute_losses(y, z, training=True)
            # The gradients of the replicas are added up.
            share = terms["loss"] / self.distribute_strategy.num_replicas_in_sync
            scaled = self.optimizer.scale_loss(share)
        gradients = tape.gradient(scaled, [variable.value for variable in self.learned_variables])
        self.optimizer.apply_gradients(zip(gradients, self.learned_variables, strict=True))
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


def extract(
    teacher,
    generator,
    decoder,
    *,
    seed,
    alpha=1.0,
    beta=0.0,
    gamma=0.0,
    distance="l1",
    jitter=0,
    learning_rate=1e-3,
    batch_size=256,
    epochs=200,
    steps_per_epoch=100,
    jit_compile=False,
    strategy="",
    mixed_precision="",
    backup=None,
    callbacks=(),
    verbose=2,
):
    """Trains one generator on a teacher; the defaults are the paper's for MNIST.

    Args:
        teacher: classifier from x to logits; it stays as it is.
        generator: model from (y, z) to x, trained in place.
        decoder: model from x to z, trained in place.
        seed: integer of the stream of (y, z).
        alpha: weight of the decoder loss.
        beta: weight of the diversity loss.
        gamma: weight of the statistics loss.
        distance: "l1" or "l2", of the diversity loss.
        jitter: pixels by which the teacher's view moves at random.
        learning_rate: Adam's.
        batch_size: latents in a step.
        epochs: times `steps_per_epoch` steps; progress and backups come once an epoch.
        steps_per_epoch: steps in an epoch.
        jit_compile: whether XLA compiles the step, where one device does it.
        strategy: how several devices share a step, see `distribution.copies`.
        mixed_precision: what the layers compute in, see `distribution.copies`.
        backup: path, ending in .weights.h5, that holds the state after each epoch but the last.
            Where it stands already, training goes on from there, to the same end.
        callbacks: Keras callbacks.
        verbose: as in `keras.Model.fit`.

    Returns:
        Keras' `History` of the losses and of what the teacher says of the data. Where a loss or a
        weight was not finite after an epoch, it ends with that epoch, `history.model.stop_training`
        is true, and the networks hold the state of the epoch before.

    Raises:
        ValueError: if a number lies outside its range.
    """
    check_positive(
        learning_rate=learning_rate,
        batch_size=batch_size,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
    )
    models = [teacher, generator, decoder]
    policy = f"mixed_{mixed_precision}" if mixed_precision else None
    with distribution.copies(models, batch_size, strategy, mixed_precision) as made:
        kegnet = KegNet(*made, dtype=policy)
        kegnet.compile(
            keras.optimizers.Adam(learning_rate),
            alpha,
            beta,
            gamma,
            distance,
            jitter,
            **distribution.compilation(jit_compile, steps_per_epoch),
        )
        callbacks = [_LastSound(), *callbacks]
        if backup:
            if pathlib.Path(backup).exists():
                kegnet.load_weights(backup)
            callbacks.append(Backup(backup))
        done = int(kegnet.epochs_done.numpy())
        shape = batch_size, generator.num_classes, generator.latent_dim
        return kegnet.fit(
            latents.stream(seed, *shape, start=done * steps_per_epoch),
            epochs=epochs,
            initial_epoch=done,
            steps_per_epoch=steps_per_epoch,
            shuffle=False,
            callbacks=callbacks,
            verbose=verbose,
        )


def check_positive(**numbers):
    """Raises a ValueError that names the first of the numbers that is not above 0."""
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"`{name}` must be above 0. Received: {value}.")


class _LastSound(keras.callbacks.Callback):
    """Ends training where a number is not finite any more, and takes the epoch before back.

    `keras.callbacks.TerminateOnNaN` ends it too, but leaves the weights unsound, and does not see
    those that the epoch's last step ruined.
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
    """

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 < self.params["epochs"] and not self.model.stop_training:
            self.model.epochs_done.assign(epoch + 1)
            with workdir.whole(self.path) as partial:
                self.model.save_weights(partial)
