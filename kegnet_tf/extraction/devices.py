"""Training on several devices, or in half precision: on copies that give back what they learned."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from kegnet_tf import teachers
from kegnet_tf.teachers import rules

STRATEGIES = ("", "mirrored")


@dataclasses.dataclass(frozen=True)
class Devices:
    """Where a training step is computed, and in what precision.

    Attributes:
        strategy: "mirrored" for `tf.distribute.MirroredStrategy` on all GPUs, or on all logical
            CPUs where there is no GPU; "" for the strategy in whose scope training starts.
        mixed_precision: "bfloat16" or "float16" for Keras' policy of that name, where layers
            compute in it and keep their weights in float32; "" for the models' own.

    Raises:
        ValueError: if a choice is unknown.
    """

    strategy: str = ""
    mixed_precision: str = ""

    def __post_init__(self):
        rules.choice("strategy", self.strategy, STRATEGIES)
        rules.choice("mixed_precision", self.mixed_precision, teachers.PRECISIONS)

    def check_batch(self, batch_size: int) -> None:
        """Refuses a batch that the devices cannot share equally.

        Args:
            batch_size: rows of a training batch, of all devices together.

        Raises:
            ValueError: if so.
        """
        replicas = (
            len(_names()) if self.strategy else tf.distribute.get_strategy().num_replicas_in_sync
        )
        if batch_size % replicas:
            raise rules.refusal(
                "batch_size", f"be a multiple of the {replicas} devices", batch_size
            )

    @property
    def policy(self) -> str | None:
        """Name of the dtype policy of a trainer's own, None for Keras' default."""
        return f"mixed_{self.mixed_precision}" if self.mixed_precision else None


@contextlib.contextmanager
def copies(
    models: Sequence[keras.Model],
    batch_size: int,
    devices: Devices = Devices(),
) -> Iterator[Sequence[keras.Model]]:
    """Models to train in place of others, in the scope of a strategy.

    On a regular end, the weights of the copies go back into the models. Several devices give what
    one gives, up to rounding: each takes an equal share of every batch, BatchNorm normalises by the
    whole batch, and so do the losses of `extraction` that look at more than one row.

    Args:
        models: Keras models that can be made again from their configurations.
        batch_size: rows of a training batch, of all devices together.
        devices: where and in what precision they are trained.

    Yields:
        A list of models; `models` themselves where there is nothing to change.

    Raises:
        ValueError: if the batch cannot be shared equally.
    """
    devices.check_batch(batch_size)
    chosen = _mirrored() if devices.strategy else tf.distribute.get_strategy()
    replicas = chosen.num_replicas_in_sync
    if replicas == 1 and not devices.mixed_precision:
        yield models
        return
    with chosen.scope():
        made = [
            teachers.copy_with_policy(model, devices.mixed_precision, replicas > 1)
            for model in models
        ]
        yield made
    for model, copy in zip(models, made, strict=True):
        model.set_weights(copy.get_weights())


def compilation(jit_compile: bool, steps_per_execution: int) -> dict[str, int]:
    """Keras' arguments of `compile` of these names that serve the strategy in scope.

    Where several devices share a step, neither XLA nor a loop of steps in one call does: the
    operations between devices cannot be in them.

    Args:
        jit_compile: whether XLA compiles the step, where one device does it.
        steps_per_execution: steps in one call, where one device does them.
    """
    alone = tf.distribute.get_strategy().num_replicas_in_sync == 1
    return {
        "jit_compile": jit_compile and alone,
        "steps_per_execution": steps_per_execution if alone else 1,
    }


def apply_gradients(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[keras.Variable],
) -> None:
    """A step of an optimiser, of which nothing stays behind when the trainer is gone.

    Keras adds gradients up over all devices even where there is one, and TensorFlow keeps the graph
    of each step that has such a sum, for good. Outside of a replica there is no sum; half precision
    scales its losses inside of one.

    Args:
        optimizer: Keras', built.
        gradients: one for each variable.
        variables: that are trained.
    """
    pairs = list(zip(gradients, variables, strict=True))
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if scaled or tf.distribute.has_strategy():
        optimizer.apply_gradients(pairs)
    else:
        here = tf.distribute.get_replica_context()
        here.merge_call(lambda _: optimizer.apply_gradients(pairs))


def _names():
    """Of the devices that a mirrored strategy trains on."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in devices]


def _mirrored():
    # The default, collective operations, need one order in all replicas' graphs, which BatchNorm's
    # sums of a backward pass do not have.
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(_names(), reduction)
