"""A student that answers as its teacher."""

from kegnet_tf.distillation.distiller import Distiller
from kegnet_tf.distillation.evaluation import (
    Measures,
    accuracy,
    agreement,
    confusion,
    measures,
)
from kegnet_tf.distillation.features import features, paired
from kegnet_tf.distillation.losses import distillation_loss, logit_loss
from kegnet_tf.distillation.pilots import STEPS as PILOT_STEPS
from kegnet_tf.distillation.pilots import remove_backup
from kegnet_tf.distillation.results import StudentResult, TeacherResult
from kegnet_tf.distillation.settings import Choice, DistillationSettings
from kegnet_tf.distillation.training import Distilled, distil

__all__ = [
    "PILOT_STEPS",
    "Choice",
    "Distilled",
    "DistillationSettings",
    "Distiller",
    "Measures",
    "StudentResult",
    "TeacherResult",
    "accuracy",
    "agreement",
    "confusion",
    "distil",
    "distillation_loss",
    "features",
    "logit_loss",
    "measures",
    "paired",
    "remove_backup",
]
