import contextlib

import keras
import tensorflow as tf

from kegnet_tf import batch_statistics, distribution, losses

LOSSES = ("logits", "cross_entropy", "auto")
SELECTIONS = ("last", "agreement")
MODES = ("training", "inference", "auto")
PILOT_STEPS = 100
# By which cross entropy must agree better after its pilot, since it aims at agreement.
PILOT_MARGIN = 0.1


class Distiller(keras.Model):
    """Trains a student on a teacher's answers to artificial data.

    Args:
        student: classifier from x to logits, trained in place.
        **kwargs: of `keras.Model`.
    """

    def __init__(self, student, **kwargs):
        super().__init__(**kwargs)
        self.student = student
        self.loss_mean = keras.metrics.Mean("loss")
        self.agreement = keras.metrics.CategoricalAccuracy("agreement")
        self.built = True

    def compile(
        self,
        optimizer,
        loss="cross_entropy",
        temperature=1.0,
        batch_norm="inference",
        **kwargs,
    ):
        """Configures training.

        Args:
            optimizer: a Keras optimiser.
            loss: "cross_entropy" (Equation 11, the paper's) or "logits" (squared error on centred
                logits).
            temperature: of the cross entropy, above 0; the paper has 1.
            batch_norm: "training" lets a student with BatchNorm learn in training mode: those
                layers normalise by the batch and take the artificial data's moving statistics.
                With "inference", or without BatchNorm, it learns in inference mode, with the
                statistics that came from the teacher.
            **kwargs: of `keras.Model.compile`.

        Raises:
            ValueError: if `loss` or `batch_norm` is unknown, or `temperature` not above 0.
        """
        _check_one_of("loss", loss, LOSSES[:2])
        _check_one_of("batch_norm", batch_norm, MODES[:2])
        if not temperature > 0:
            raise ValueError(f"`temperature` must be above 0. Received: {temperature}.")
        super().compile(optimizer=optimizer, **kwargs)
        self.distillation_loss, self.temperature = loss, temperature
        learns = batch_norm == "training"
        self.training = learns and any(batch_statistics.found(self.student))
        self.optimizer.build(self.student.trainable_variables)

    @property
    def metrics(self):
        return [self.loss_mean, self.agreement]

    def call(self, inputs, training=None):
        return self.student(inputs, training=training)

    def compute_distillation_loss(self, p, logits):
        if self.distillation_loss == "logits":
            return losses.logit_loss(p, logits)
        return losses.distillation_loss(p, logits, self.temperature)

    def train_step(self, data):
        x, p, *_ = data  # `train_on_batch` adds the weights of none
        with tf.GradientTape() as tape:
            logits = tf.cast(self.student(x, training=self.training), tf.float32)
            loss = self.compute_distillation_loss(p, logits)
            # The gradients of the replicas are added up.
            share = loss / self.distribute_strategy.num_replicas_in_sync
            scaled = self.optimizer.scale_loss(share)
        variables = self.student.trainable_variables
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self._update_metrics(p, logits, loss)

    def test_step(self, data):
        x, p, *_ = data  # `train_on_batch` adds the weights of none
        logits = tf.cast(self.student(x, training=False), tf.float32)
        return self._update_metrics(p, logits, self.compute_distillation_loss(p, logits))

    def _update_metrics(self, p, logits, loss):
        self.loss_mean.update_state(loss)
        self.agreement.update_state(p, logits)
        return {metric.name: metric.result() for metric in self.metrics}


def distil(
    student,
    data,
    held_out,
    *,
    loss="cross_entropy",
    temperature=1.0,
    batch_norm="inference",
    learning_rate=1e-4,
    epochs=20,
    steps_per_epoch=500,
    selection="last",
    jit_compile=False,
    strategy="",
    mixed_precision="",
    callbacks=(),
    verbose=2,
):
    """Trains a student on a stream of artificial data, without real data anywhere.

    What is "auto" is settled by pilots: trainings of `PILOT_STEPS` steps from the same start, which
    leave no trace but the choice.

    Dropout rests: the data never end, and what is learned of them has no noise (a CNN with dropout
    before its last layer, 400 steps in training mode: its student is right in 88.9 % of validation
    images of Fashion-MNIST, and in 87.8 % with dropout).

    Args:
        student: classifier from x to logits, trained in place.
        data: endless `tf.data.Dataset` of (x, p), as from `synthesis.stream`.
        held_out: (x, p) arrays, kept from training, on which agreement is measured each epoch.
        loss: "cross_entropy" or "logits", see `Distiller.compile`; "auto" is "cross_entropy" for
            tables (Letter's validation split, 3,000 steps: 80.2 and 79.0 % with "logits"), and for
            images "logits" (SVHN's student1, 600 steps: 76.0 and 72.8 % with "cross_entropy")
            unless cross entropy agrees better with the teacher on `held_out` after a pilot, by
            `PILOT_MARGIN` or more.
        temperature: of the cross entropy.
        batch_norm: "training" or "inference", see `Distiller.compile`; "auto" for the one that
            agrees better after a pilot.
        learning_rate: Adam's, at the start; a cosine takes it to 0.
        epochs: times `steps_per_epoch` steps.
        steps_per_epoch: steps in an epoch.
        selection: "last" keeps the student of the last epoch, "agreement" the one that agrees best
            with the teacher on `held_out`.
        jit_compile: whether XLA compiles the step, where one device does it.
        strategy: how several devices share a step, see `distribution.copies`.
        mixed_precision: what the layers compute in, see `distribution.copies`.
        callbacks: Keras callbacks.
        verbose: as in `keras.Model.fit`.

    Returns:
        Keras' `History`.

    Raises:
        ValueError: if an argument lies outside its range.
    """
    _check_one_of("loss", loss, LOSSES)
    _check_one_of("selection", selection, SELECTIONS)
    _check_one_of("batch_norm", batch_norm, MODES)
    for name, value in (
        ("learning_rate", learning_rate),
        ("epochs", epochs),
        ("steps_per_epoch", steps_per_epoch),
    ):
        if not value > 0:
            raise ValueError(f"`{name}` must be above 0. Received: {value}.")
    if "auto" in (loss, batch_norm):
        settings = {"temperature": temperature, "learning_rate": learning_rate}
        settings |= {"strategy": strategy, "mixed_precision": mixed_precision}
        loss, batch_norm = _settled(loss, batch_norm, (student, data, held_out), settings)
        if verbose:
            print(f"Settled: loss {loss}, batch_norm {batch_norm}.", flush=True)
    policy = f"mixed_{mixed_precision}" if mixed_precision else None
    batch_size = data.element_spec[0].shape[0] or 0  # 0: not known
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps_per_epoch)
    callbacks = list(callbacks)
    if selection == "agreement":
        callbacks.append(
            keras.callbacks.EarlyStopping(
                "val_agreement", patience=epochs, mode="max", restore_best_weights=True
            )
        )
    with (
        distribution.copies([student], batch_size, strategy, mixed_precision) as (made,),
        _without_dropout(made),
    ):
        distiller = Distiller(made, dtype=policy)
        distiller.compile(
            keras.optimizers.Adam(schedule),
            loss,
            temperature,
            batch_norm,
            **distribution.compilation(jit_compile, steps_per_epoch),
        )
        return distiller.fit(
            data,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            shuffle=False,
            validation_data=tf.data.Dataset.from_tensor_slices(held_out).batch(500),
            callbacks=callbacks,
            verbose=verbose,
        )


@contextlib.contextmanager
def _without_dropout(model):
    """Lets dropout rest."""
    dropouts = keras.layers.Dropout, keras.layers.AlphaDropout, keras.layers.GaussianDropout
    layers = list(batch_statistics.found(model, dropouts))
    rates = [layer.rate for layer in layers]
    try:
        for layer in layers:
            layer.rate = 0.0
        yield
    finally:
        for layer, rate in zip(layers, rates, strict=True):
            layer.rate = rate


def _settled(loss, batch_norm, trained, settings):
    """Loss and mode of BatchNorm, where either may be "auto": (loss, batch_norm).

    Inference mode keeps the statistics of real data, and serves a student whose layers still fit
    them. Agreement tells which, without real data: the ResNet14 of Fashion-MNIST has students that
    agree in 56, 68 and 61 % after 100 steps in inference mode and in 82, 88 and 82 % in training
    mode (real accuracy, validation split: 37, 70, 56 and 89, 94, 90 %); a smaller CNN, whose one
    student loses less by Tucker, in 89 and 82 % (89.9 and 87.5 %).

    Squared error of logits is lost on a student too narrow for them: that of a classifier of 8 x 8
    digits, a seventh of its size, agrees in 31 % after 100 steps and in 44 % with cross entropy
    (1,600 steps, test images: 48 and 60 % right). On the students of MNIST, SVHN (1 and 3) and
    Fashion-MNIST (1) the two lie within 3 points of each other.
    """
    student = trained[0]
    images, norms = len(student.input_shape) == 4, any(batch_statistics.found(student))
    start = student.get_weights()

    def agreement(loss, batch_norm):
        own = {"loss": loss, "batch_norm": batch_norm, "epochs": 1, "steps_per_epoch": PILOT_STEPS}
        history = distil(*trained, verbose=0, **own, **settings).history
        student.set_weights(start)
        return history["val_agreement"][-1]

    modes = MODES[:2] if norms else ("inference",)
    modes = modes if batch_norm == "auto" else (batch_norm,)
    aims = LOSSES[:2] if images else ("cross_entropy",)
    aims = aims if loss == "auto" else (loss,)
    if len(modes) == len(aims) == 1:
        return aims[0], modes[0]
    agreements = {mode: agreement(aims[0], mode) for mode in modes}
    mode = max(agreements, key=agreements.get)
    if len(aims) > 1 and agreement(aims[1], mode) >= agreements[mode] + PILOT_MARGIN:
        return aims[1], mode
    return aims[0], mode


def _check_one_of(name, value, known):
    if value not in known:
        raise ValueError(f"`{name}` must be one of {', '.join(known)}. Received: {value!r}.")
