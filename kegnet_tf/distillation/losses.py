"""Equation 11 of KegNet, and squared error on logits."""

import tensorflow as tf


def distillation_loss(p: tf.Tensor, logits: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
    """Cross entropy of the student against the teacher's probabilities (Equation 11).

    A temperature T divides both models' logits, and the loss is multiplied by T^2 (Hinton et al.,
    2015); the paper has T = 1.

    Args:
        p: the teacher's probabilities at T = 1, [batch, num_classes].
        logits: the student's, [batch, num_classes].
        temperature: T, above 0.

    Returns:
        Scalar, in nats, averaged over the batch.
    """
    if temperature != 1.0:
        p = tf.nn.softmax(_log(p) / temperature)
    entropies = tf.nn.softmax_cross_entropy_with_logits(p, logits / temperature)
    return temperature**2 * tf.reduce_mean(entropies)


def logit_loss(p: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Squared error between centred logits of teacher and student.

    A softmax fixes logits up to a constant; centring (mean 0 over the classes) removes it, so that
    the logarithm of the teacher's probabilities can stand for its logits.

    Args:
        p: the teacher's probabilities, [batch, num_classes].
        logits: the student's, [batch, num_classes].

    Returns:
        Scalar, averaged over batch and classes.
    """
    return tf.reduce_mean(tf.square(_centred(_log(p)) - _centred(logits)))


def _log(p):
    return tf.math.log(tf.maximum(p, 1e-37))


def _centred(logits):
    return logits - tf.reduce_mean(logits, axis=-1, keepdims=True)
