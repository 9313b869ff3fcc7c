"""What a run's report holds of its teacher and of each student."""

import dataclasses

from kegnet_tf.distillation.evaluation import Measures


@dataclasses.dataclass(frozen=True)
class TeacherResult(Measures):
    """The teacher beside its students.

    Attributes:
        parameters: trainable ones.
        multiply_adds: of one example; None where an input's size is open.
    """

    parameters: int = 0
    multiply_adds: int | None = None


@dataclasses.dataclass(frozen=True)
class StudentResult(Measures):
    """One student: what it is called, how it was trained, how good it is.

    Attributes:
        name: among the run's students.
        arm: "tucker", or the source that it learned from.
        seed: of the students of this name and arm.
        selection: as in `DistillationSettings`; None for one that was not trained.
        seconds: of its training, pilots included; None for one that was not trained.
        loss: what it learned with, given or settled by a pilot; None for one that was not trained.
        batch_norm: the mode of its BatchNorm layers in training, as for `loss`.
        features: whether it matched its teacher's features, "on" or "off", as for `loss`.
        parameters: trainable ones; None before they are counted.
        multiply_adds: of one example; None before they are counted, or where an input's size is
            open.
        agreement: with the teacher on artificial data that no student saw, a fraction; None before
            it is measured.
        compression_ratio: trainable parameters of the teacher over those of the student; None
            before they are counted.
    """

    name: str = ""
    arm: str = ""
    seed: int = 0
    selection: str | None = None
    seconds: float | None = None
    loss: str | None = None
    batch_norm: str | None = None
    features: str | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    agreement: float | None = None
    compression_ratio: float | None = None

    @property
    def stem(self) -> str:
        """What its files are called: NAME-ARM-SEED."""
        return f"{self.name}-{self.arm}-{self.seed}"
