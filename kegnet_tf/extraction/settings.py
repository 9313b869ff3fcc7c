import dataclasses

from kegnet_tf.extraction import losses


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
        learning_rate: Adam's, above 0.
        batch_size: latents of a generator in a step.
        epochs: times `steps_per_epoch` steps; progress and backups come once an epoch.
        steps_per_epoch: steps in an epoch.
        jit_compile: whether XLA compiles the step, where one device does it.
    """

    alpha: float = 1.0
    beta: float = 0.0
    gamma: float = 0.0
    distance: str = "l1"
    jitter: int = 0
    learning_rate: float = 1e-3
    batch_size: int = 256
    epochs: int = 200
    steps_per_epoch: int = 100
    jit_compile: bool = False

    def check(self) -> None:
        """Refuses what cannot be trained.

        Raises:
            ValueError: if a number lies outside its range, or the distance is unknown.
        """
        for name in ("learning_rate", "batch_size", "epochs", "steps_per_epoch"):
            if not (value := getattr(self, name)) > 0:
                raise ValueError(f"`{name}` must be above 0. Received: {value}.")
        for name in ("alpha", "beta", "gamma", "jitter"):
            if not (value := getattr(self, name)) >= 0:
                raise ValueError(f"`{name}` must be 0 or more. Received: {value}.")
        if self.distance not in losses.DISTANCES:
            raise ValueError(f"`distance` must be 'l1' or 'l2'. Received: {self.distance!r}.")
