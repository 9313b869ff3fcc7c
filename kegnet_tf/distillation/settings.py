import dataclasses

from kegnet_tf.teachers import rules

LOSSES = ("logits", "cross_entropy")
MODES = ("training", "inference")
FEATURES = ("off", "on")
SELECTIONS = ("last", "agreement", "better")


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a pilot chooses between.

    Attributes:
        loss: "cross_entropy" (Equation 11, the paper's), "logits" (squared error on centred
            logits), or "auto".
        batch_norm: "training" lets a student with BatchNorm learn in training mode: those layers
            normalise by the batch and take the artificial data's moving statistics. With
            "inference", or without BatchNorm, it learns in inference mode, with the statistics that
            came from the teacher. Or "auto".
        features: "on" lets a student match what leaves the teacher's layers that were decomposed,
            besides its answers; "off", or "auto".
    """

    loss: str = "cross_entropy"
    batch_norm: str = "inference"
    features: str = "off"


@dataclasses.dataclass(frozen=True)
class DistillationSettings:
    """How a student is trained.

    Attributes:
        loss: see `Choice`. "auto" is "cross_entropy" for tables, and for images "logits" unless
            cross entropy agrees clearly better with the teacher after a pilot.
        temperature: of the cross entropy, above 0; the paper has 1.
        batch_norm: see `Choice`. "auto" is what agrees better with the teacher after a pilot; in
            inference mode BatchNorm then learns at `pilots.GENTLE` times the rate.
        features: see `Choice`. "auto" is "on" for students of images that have BatchNorm.
        feature_weight: of the features' error, in units of the teacher's variance, at the start;
            above 0. A cosine takes it to 0.
        learning_rate: Adam's, at the start, in (0, 1]; a cosine takes it to 0.
        epochs: times `steps_per_epoch` steps.
        steps_per_epoch: steps in an epoch.
        selection: "last" keeps the student of the last epoch, "agreement" the one that agrees best
            with the teacher on held-out artificial data, "better" that of the last epoch unless the
            student that it began as agrees better there.
        jit_compile: whether XLA compiles the step, where one device does it.

    Raises:
        ValueError: if a value is unknown, of another kind, not finite or outside its range.
    """

    loss: str = "cross_entropy"
    temperature: float = 1.0
    batch_norm: str = "inference"
    features: str = "off"
    feature_weight: float = 10.0
    learning_rate: float = 1e-4
    epochs: int = 20
    steps_per_epoch: int = 500
    selection: str = "last"
    jit_compile: bool = False

    def __post_init__(self):
        rules.choice("loss", self.loss, (*LOSSES, "auto"))
        rules.positive("temperature", self.temperature)
        rules.choice("batch_norm", self.batch_norm, (*MODES, "auto"))
        rules.choice("features", self.features, (*FEATURES, "auto"))
        rules.positive("feature_weight", self.feature_weight)
        rules.positive("learning_rate", self.learning_rate, 1)
        rules.whole("epochs", self.epochs)
        rules.whole("steps_per_epoch", self.steps_per_epoch)
        rules.choice("selection", self.selection, SELECTIONS)
        rules.flag("jit_compile", self.jit_compile)

    @property
    def choice(self) -> Choice:
        """What is given, "auto" where a pilot is to choose."""
        return Choice(self.loss, self.batch_norm, self.features)
