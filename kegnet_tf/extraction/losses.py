"""Equations 8 to 10 of KegNet, averaged over dimensions and pairs as in the authors' release.

In a replica of `tf.distribute`, a loss that compares rows is that of the whole batch, on every
replica; the others are means over the replica's own share.
"""

from collections.abc import Sequence

import tensorflow as tf

TERMS = ("classifier_loss", "decoder_loss", "diversity_loss", "statistics_loss")
DISTANCES = ("l1", "l2")


def classifier_loss(y: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross entropy between the asked labels and the teacher's answer (Equation 8).

    Args:
        y: label vectors, [batch, num_classes].
        logits: the teacher's answer to generated data, [batch, num_classes].

    Returns:
        Scalar, in nats, averaged over the batch.
    """
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, logits))


def decoder_loss(z: tf.Tensor, decoded: tf.Tensor) -> tf.Tensor:
    """Squared error of the recovered latents (Equation 9), averaged over batch and dimensions.

    Args:
        z: latents, [batch, latent_dim].
        decoded: the decoder's answer, [batch, latent_dim].

    Returns:
        Scalar, 0 or more; 1 for a decoder that always answers 0.
    """
    return tf.reduce_mean(tf.square(z - decoded))


def diversity_loss(z: tf.Tensor, x: tf.Tensor, distance: str = "l1") -> tf.Tensor:
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
    if replicas := _replicas():
        z, x = replicas.all_gather(z, axis=0), replicas.all_gather(x, axis=0)
    if distance == "l1":
        total = _weighted_l1_over_pairs(z, x)
    elif distance == "l2":
        total = tf.reduce_sum(_squared_distances(z) * _squared_distances(x))
    else:
        raise ValueError(f"`distance` must be 'l1' or 'l2'. Received: {distance!r}.")
    batch, features = tf.unstack(tf.cast(tf.shape(x), x.dtype))
    return tf.exp(-total / (batch * batch * features * tf.cast(tf.shape(z)[1], x.dtype)))


def statistics_loss(
    inputs: Sequence[tf.Tensor], means: Sequence[tf.Tensor], variances: Sequence[tf.Tensor]
) -> tf.Tensor:
    """How far a batch is from the moving moments of the BatchNorm layers (DeepInversion, Eq. 4).

    For each layer, the mean over its channels of ((m_batch - m) / s)^2 + (s_batch / s - 1)^2, with
    the moving mean m and deviation s; and the mean of that over the layers, so that a weight means
    the same for a shallow teacher and a deep one. DeepInversion (Yin et al., CVPR 2020) sums norms
    of the differences of mean and variance in the layers' own units instead.

    Args:
        inputs: of each layer, [batch, ..., channels].
        means: moving means, [channels] each.
        variances: moving variances, [channels] each, above 0.

    Returns:
        Scalar, 0 or more, in squared deviations; 0 where every channel has the moving moments.
    """
    terms = []
    for x, mean, variance in zip(inputs, means, variances, strict=True):
        batch_mean, batch_variance = _moments(x)
        # The root has no gradient at 0, where a ReLU may leave a channel.
        deviations = tf.sqrt((batch_variance + 1e-8) / variance)
        shifts = tf.square(batch_mean - mean) / variance
        terms.append(tf.reduce_mean(shifts + tf.square(deviations - 1.0)))
    return tf.add_n(terms) / len(terms)


def _replicas():
    """The context of this replica, None where it is the only one."""
    context = tf.distribute.get_replica_context()
    return context if context and context.num_replicas_in_sync > 1 else None


def _moments(x):
    """Mean and variance of each channel."""
    axes = list(range(len(x.shape) - 1))
    replicas = _replicas()
    if not replicas:
        return _one_pass_moments(x)
    own = [tf.reduce_mean(x, axes), tf.reduce_mean(tf.square(x), axes)]
    mean, square = replicas.all_reduce("MEAN", own)
    return mean, tf.maximum(square - tf.square(mean), 0.0)


@tf.custom_gradient
def _one_pass_moments(x):
    """`tf.nn.moments` over all axes but the last, at less than half of its time.

    Its gradient takes several passes over x; this one is a product and a sum.
    """
    axes = list(range(len(x.shape) - 1))
    count = tf.cast(tf.size(x) // x.shape[-1], x.dtype)
    mean = tf.reduce_mean(x, axes)
    variance = tf.maximum(tf.reduce_mean(tf.square(x), axes) - tf.square(mean), 0.0)

    def gradient(by_mean, by_variance):
        slope = 2.0 * by_variance / count
        return slope * x + (by_mean / count - slope * mean)

    return (mean, variance), gradient


def _squared_distances(rows):
    squares = tf.reduce_sum(tf.square(rows), axis=1)
    distances = squares[:, None] + squares[None, :] - 2.0 * tf.matmul(rows, rows, transpose_b=True)
    return tf.maximum(distances, 0.0)


@tf.custom_gradient
def _weighted_l1_over_pairs(z, x):
    """Sum over ordered pairs of ||z_i - z_j||^2 ||x_i - x_j||_1, without pairs.

    Within one feature the sum is sum_i 2 x_i c_i, where c_i adds ||z_i - z_j||^2 over the rows j
    below x_i and subtracts it over those above. The weight is |z_i|^2 + |z_j|^2 - 2 z_i z_j, so
    such sums of (|z|^2, z) along the sorted feature give every c_i, and 2 c_i is the gradient. One
    matrix of signs takes the sums of all features.
    """
    batch, features = tf.unstack(tf.shape(x))
    moments = tf.concat([tf.reduce_sum(tf.square(z), axis=1, keepdims=True), z], axis=1)
    order = tf.argsort(tf.transpose(x))  # [features, batch]
    ranked = tf.gather(moments, tf.transpose(order))  # [batch, features, 1 + latent_dim]
    place = tf.range(batch)
    signs = tf.cast(tf.sign(place[:, None] - place), x.dtype)
    sums = tf.reshape(signs @ tf.reshape(ranked, (batch, -1)), tf.shape(ranked))
    count = tf.cast(2 * place - batch + 1, x.dtype)[:, None]  # of rows below, less those above
    products = tf.reduce_sum(ranked[..., 1:] * sums[..., 1:], axis=-1)
    weights = ranked[..., 0] * count + sums[..., 0] - 2.0 * products
    # Back to the order of rows, all features at once.
    place = tf.math.invert_permutation(
        tf.reshape(order + batch * tf.range(features)[:, None], (-1,))
    )
    slopes = tf.gather(tf.reshape(tf.transpose(weights), (-1,)), place)
    slopes = 2.0 * tf.transpose(tf.reshape(slopes, (features, batch)))
    return tf.reduce_sum(x * slopes), lambda upstream: (None, upstream * slopes)
