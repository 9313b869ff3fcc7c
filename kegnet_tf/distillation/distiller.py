from collections.abc import Callable

import keras
import tensorflow as tf

from kegnet_tf import extraction, teachers
from kegnet_tf.distillation import losses
from kegnet_tf.distillation.features import Features, feature_loss
from kegnet_tf.distillation.settings import Choice


class Distiller(extraction.Paced):
    """Trains a student on a teacher's answers to artificial data.

    Args:
        student: classifier from x to logits, trained in place.
        **kwargs: of `keras.Model`.
    """

    def __init__(self, student: keras.Model, **kwargs):
        super().__init__(**kwargs)
        self.student = student
        self.loss_mean = keras.metrics.Mean("loss")
        self.agreement = keras.metrics.CategoricalAccuracy("agreement")
        self.built = True

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer,
        choice: Choice | None = None,
        temperature: float = 1.0,
        features: Features | None = None,
        feature_weight: Callable[[tf.Tensor], tf.Tensor] | None = None,
        **kwargs,
    ):
        """Configures training.

        Args:
            optimizer: a Keras optimiser.
            choice: loss and mode of BatchNorm, neither of them "auto"; None for the paper's loss in
                inference mode.
            temperature: of the cross entropy, above 0.
            features: of the student and its teacher, which the student is to match; or None.
            feature_weight: function of the step that gives the weight of their error.
            **kwargs: of `keras.Model.compile`.
        """
        super().compile(optimizer=optimizer, **kwargs)
        self.choice, self.temperature = choice or Choice(), temperature
        self.features, self.feature_weight = features, feature_weight
        norms = teachers.layers_of_kind(self.student, keras.layers.BatchNormalization)
        self.training = self.choice.batch_norm == "training" and any(norms)
        self.optimizer.build(self.student.trainable_variables)

    @property
    def metrics(self):
        return [self.loss_mean, self.agreement]

    def call(self, inputs, training=None):
        return self.student(inputs, training=training)

    def compute_distillation_loss(self, p: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """The chosen loss of a batch of the teacher's probabilities and the student's logits."""
        if self.choice.loss == "logits":
            return losses.logit_loss(p, logits)
        return losses.distillation_loss(p, logits, self.temperature)

    def train_step(self, data):
        x, p, *_ = data  # `train_on_batch` adds the weights of none
        if self.features:
            _, *targets = self.features.teacher(x, training=False)
        with tf.GradientTape() as tape:
            if self.features:
                logits, *outputs = self.features.student(x, training=self.training)
            else:
                logits = self.student(x, training=self.training)
            logits = tf.cast(logits, tf.float32)
            loss = self.compute_distillation_loss(p, logits)
            if self.features:
                weight = self.feature_weight(self.optimizer.iterations)
                loss += weight * feature_loss(targets, outputs, self.features.variances)
            # The gradients of the replicas are added up.
            share = loss / self.distribute_strategy.num_replicas_in_sync
            scaled = self.optimizer.scale_loss(share)
        variables = self.student.trainable_variables
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        extraction.apply_gradients(self.optimizer, gradients, variables)
        return self._update_metrics(p, logits, loss)

    def test_step(self, data):
        x, p, *_ = data  # `train_on_batch` adds the weights of none
        logits = tf.cast(self.student(x, training=False), tf.float32)
        return self._update_metrics(p, logits, self.compute_distillation_loss(p, logits))

    def _update_metrics(self, p, logits, loss):
        self.loss_mean.update_state(loss)
        self.agreement.update_state(p, logits)
        return {metric.name: metric.result() for metric in self.metrics}
