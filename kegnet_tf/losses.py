"""Equations 8 to 11 of KegNet, averaged over dimensions and pairs as in the authors' release."""

import tensorflow as tf

DISTANCES = ("l1", "l2")


def classifier_loss(y, logits):
    """Cross entropy between the asked labels and the teacher's answer (Equation 8).

    Args:
        y: label vectors, [batch, num_classes].
        logits: the teacher's answer to generated data, [batch, num_classes].

    Returns:
        Scalar, in nats, averaged over the batch.
    """
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, logits))


def decoder_loss(z, decoded):
    """Squared error of the recovered latents (Equation 9), averaged over batch and dimensions.

    Args:
        z: latents, [batch, latent_dim].
        decoded: the decoder's answer, [batch, latent_dim].

    Returns:
        Scalar, 0 or more; 1 for a decoder that always answers 0.
    """
    return tf.reduce_mean(tf.square(z - decoded))


def diversity_loss(z, x, distance="l1"):
    """Diversity loss of a batch (Equation 10), averaged over all ordered pairs.

    exp(-mean_ij ||z_i - z_j||^2 d(x_i, x_j)), both distances averaged over dimensions. Exact, in
    memory of batch x features x latent_dim at most: no tensor holds a feature of each pair.

    Args:
        z: latents, [batch, latent_dim]; taken as constants, no gradient reaches them.
        x: generated data, [batch, ...], standardised.
        distance: "l1" for mean absolute, "l2" for mean squared difference.

    Returns:
        Scalar in (0, 1]; 1 where every x is the same.

    Raises:
        ValueError: if `distance` is neither.
    """
    z = tf.stop_gradient(z)
    x = tf.reshape(x, [tf.shape(x)[0], -1])
    if distance == "l1":
        total = _weighted_l1_over_pairs(z, x)
    elif distance == "l2":
        total = tf.reduce_sum(_squared_distances(z) * _squared_distances(x))
    else:
        raise ValueError(f"`distance` must be 'l1' or 'l2'. Received: {distance!r}.")
    batch, features = tf.unstack(tf.cast(tf.shape(x), x.dtype))
    return tf.exp(-total / (batch * batch * features * tf.cast(tf.shape(z)[1], x.dtype)))


def distillation_loss(p, logits, temperature=1.0):
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


def logit_loss(p, logits):
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


def _squared_distances(rows):
    squares = tf.reduce_sum(tf.square(rows), axis=1)
    distances = squares[:, None] + squares[None, :] - 2.0 * tf.matmul(rows, rows, transpose_b=True)
    return tf.maximum(distances, 0.0)


@tf.custom_gradient
def _weighted_l1_over_pairs(z, x):
    """Sum over ordered pairs of ||z_i - z_j||^2 ||x_i - x_j||_1, without pairs.

    Within one feature the sum is sum_i 2 x_i c_i, where c_i adds ||z_i - z_j||^2 over the rows j
    below x_i and subtracts it over those above. The weight is |z_i|^2 + |z_j|^2 - 2 z_i z_j, so
    running sums of (1, |z|^2, z) along the sorted feature give every c_i, and 2 c_i is the
    gradient.
    """
    squares = tf.reduce_sum(tf.square(z), axis=1, keepdims=True)
    moments = tf.concat([tf.ones_like(squares), squares, z], axis=1)
    order = tf.argsort(tf.transpose(x))  # [features, batch]
    ranked = tf.gather(moments, order)  # [features, batch, 2 + latent_dim]
    below = tf.cumsum(ranked, axis=1, exclusive=True)
    # Below less above: the sum below twice, and the row itself, less the sum of all.
    count, square, latent = _split(2.0 * below + ranked - tf.reduce_sum(moments, axis=0))
    _, own_square, own_latent = _split(ranked)
    weights = own_square * count + square - 2.0 * tf.reduce_sum(own_latent * latent, axis=-1)
    slopes = 2.0 * tf.transpose(tf.gather(weights, tf.argsort(order), batch_dims=1))
    return tf.reduce_sum(x * slopes), lambda upstream: (None, upstream * slopes)


def _split(moments):
    return moments[..., 0], moments[..., 1], moments[..., 2:]
