"""Training on several devices, or in half precision: on copies that give back what they learned."""

import contextlib

import keras
import tensorflow as tf

from kegnet_tf import batch_statistics

STRATEGIES = ("", "mirrored")
PRECISIONS = ("", "bfloat16", "float16")


def check(strategy, mixed_precision):
    """Refuses what `copies` cannot do.

    Args:
        strategy: as in `copies`.
        mixed_precision: likewise.

    Raises:
        ValueError: if one is unknown.
    """
    for name, value, known in (
        ("strategy", strategy, STRATEGIES),
        ("mixed_precision", mixed_precision, PRECISIONS),
    ):
        if value not in known:
            names = ", ".join(map(repr, known))
            raise ValueError(f"`{name}` must be one of {names}. Received: {value!r}.")


@contextlib.contextmanager
def copies(models, batch_size, strategy="", mixed_precision=""):
    """Models to train in place of others, in the scope of a strategy.

    On a regular end, the weights of the copies go back into the models. Several devices give what
    one gives, up to rounding: each takes an equal share of every batch, BatchNorm normalises by the
    whole batch, and so do the losses of `kegnet_tf.losses` that look at more than one row.

    Args:
        models: list of Keras models that can be made again from their configurations.
        batch_size: rows of a training batch, of all devices together.
        strategy: "mirrored" for `tf.distribute.MirroredStrategy` on all GPUs, or on all logical
            CPUs where there is no GPU; "" for the strategy whose scope this is called in.
        mixed_precision: "bfloat16" or "float16" for Keras' policy of that name, where layers
            compute in it and keep their weights in float32; "" for the models' own.

    Yields:
        A list of models; `models` themselves where there is nothing to change.

    Raises:
        ValueError: if a choice is unknown, or the batch cannot be shared equally.
    """
    check(strategy, mixed_precision)
    chosen = _mirrored() if strategy else tf.distribute.get_strategy()
    replicas = chosen.num_replicas_in_sync
    if batch_size % replicas:
        raise ValueError(
            f"`batch_size` must be a multiple of the {replicas} devices. Received: {batch_size}."
        )
    if replicas == 1 and not mixed_precision:
        yield models
        return
    with chosen.scope():
        made = [_copy(model, mixed_precision, replicas > 1) for model in models]
        yield made
    for model, copy in zip(models, made, strict=True):
        model.set_weights(copy.get_weights())


def compilation(jit_compile, steps_per_execution):
    """Keras' arguments of `compile` of these names that serve the strategy in scope.

    Where several devices share a step, neither XLA nor a loop of steps in one call does: the
    operations between devices cannot be in them.
    """
    alone = tf.distribute.get_strategy().num_replicas_in_sync == 1
    return {
        "jit_compile": jit_compile and alone,
        "steps_per_execution": steps_per_execution if alone else 1,
    }


def _mirrored():
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    # The default, collective operations, need one order in all replicas' graphs, which BatchNorm's
    # sums of a backward pass do not have.
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy([device.name for device in devices], reduction)


def _copy(model, mixed_precision, synchronized):
    policy = f"mixed_{mixed_precision}" if mixed_precision else None
    before = keras.config.dtype_policy()
    if policy:  # of the layers that a subclassed model makes for itself
        keras.config.set_dtype_policy(policy)
    try:
        copy = type(model).from_config(_rewritten(model.get_config(), policy))
    finally:
        keras.config.set_dtype_policy(before)
    copy.set_weights(model.get_weights())
    if synchronized:
        for layer in batch_statistics.found(copy):
            layer.synchronized = True
    return copy


def _rewritten(config, policy):
    """A configuration with another policy wherever a layer states its own."""
    if isinstance(config, list | tuple):
        return type(config)(_rewritten(entry, policy) for entry in config)
    if not isinstance(config, dict):
        return config
    rewritten = {key: _rewritten(entry, policy) for key, entry in config.items()}
    if policy and isinstance(config.get("dtype"), dict):  # an input's is a name
        rewritten["dtype"] = policy
    return rewritten
