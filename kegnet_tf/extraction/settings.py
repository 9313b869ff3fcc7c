import dataclasses
from collections.abc import Sequence

from kegnet_tf.extraction import losses
from kegnet_tf.teachers import rules


@dataclasses.dataclass(frozen=True)
class ExtractionSettings:
    """How a generator is trained; the defaults are the paper's for MNIST.

    Attributes:
        alpha: weight of the decoder loss, 0 or more.
        beta: weight of the diversity loss, 0 or more; at 0 that loss is not computed.
        gamma: weight of the statistics loss, 0 or more; at 0, or where the teacher has no
            BatchNorm, that loss is not computed.
        distance: "l1" or "l2", of the diversity loss.
        jitter: pixels, 0 or more, by which a training batch of images is at most moved, around the
            edges and at random, before the teacher sees it (DeepInversion). What it still
            recognises then is no single pixel's doing. Never more than an eighth of a side; tables
            are left alone.
        dropout: rates, in [0, 1), of the teacher's dropout while a generator learns, which asks for
            data whose class survives it; () for the teacher's own dropout layers at their own
            rates, none where it has none. (0.0,) switches dropout off; several are for the
            generators in turn. A teacher without dropout gets it before its dense layers and
            behind its convolutions (whole channels).
        learning_rate: Adam's, in (0, 1].
        batch_size: latents of a generator in a step.
        epochs: times `steps_per_epoch` steps; progress and backups come once an epoch.
        steps_per_epoch: steps in an epoch.
        jit_compile: whether XLA compiles the step, where one device does it.

    Raises:
        ValueError: if a value is of another kind, not finite or outside its range, or the distance
            is unknown.
    """

    alpha: float = 1.0
    beta: float = 0.0
    gamma: float = 0.0
    distance: str = "l1"
    jitter: int = 0
    dropout: Sequence[float] = ()
    learning_rate: float = 1e-3
    batch_size: int = 256
    epochs: int = 200
    steps_per_epoch: int = 100
    jit_compile: bool = False

    def __post_init__(self):
        for name in ("alpha", "beta", "gamma"):
            rules.number(name, getattr(self, name))
        rules.choice("distance", self.distance, losses.DISTANCES)
        rules.whole("jitter", self.jitter, 0)
        rules.entries("dropout", self.dropout)
        for rate in self.dropout:
            rules.number("dropout", rate, 0, 0.99)
        rules.positive("learning_rate", self.learning_rate, 1)
        for name in ("batch_size", "epochs", "steps_per_epoch"):
            rules.whole(name, getattr(self, name))
        rules.flag("jit_compile", self.jit_compile)
