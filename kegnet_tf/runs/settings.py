"""What the settings of a preset must be, whatever the teacher."""

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence

import ml_collections

from kegnet_tf import compression, distillation, export, extraction, synthesis, teachers
from kegnet_tf.configs import base
from kegnet_tf.runs import integers
from kegnet_tf.teachers import rules

ARMS = ("tucker", *synthesis.SOURCES)
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_RULES = {  # of the keys that are no sections
    "seed": functools.partial(rules.whole, least=0, most=2**31 - 1),
    "teacher": lambda name, value: value == "" or _file_name(name, value),
    "network": functools.partial(rules.choice, known=("", *teachers.NETWORKS)),
    "loader": functools.partial(rules.choice, known=("images", "tables")),
    "arms": functools.partial(rules.distinct, known=ARMS, least=1),
    "source": functools.partial(rules.choice, known=synthesis.SOURCES),
    "num_generators": functools.partial(rules.whole, most=1000),  # each takes seconds at least
    "keep_unrecognised": rules.flag,
    "image_interval": rules.whole,
    "num_seeds": functools.partial(rules.whole, most=1000),
    "batch_size": rules.whole,
    "synthetic_size": functools.partial(rules.whole, least=0),
    "held_out": rules.whole,
    "save_synthetic": functools.partial(rules.whole, least=0),
}


def check_settings(config: ml_collections.ConfigDict) -> None:
    """Refuses a preset that holds what no stage takes, or lacks what one asks for.

    Args:
        config: a preset.

    Raises:
        ValueError: naming the setting, the rule and the value.
    """
    settings = config.to_dict()
    _known_keys("config", settings, base.get_config())
    for name, rule in _RULES.items():
        rule(name, settings[name])
    data = {"images": _check_images, "tables": _check_table}[settings["loader"]]
    for name, check in {"data": data, **_SECTIONS}.items():
        _taken(name, settings[name], check)
    rules.mapping("students", settings["students"])
    rules.entries("students", list(settings["students"]), 1)
    for name, student in settings["students"].items():
        _file_name("students", name)
        _taken(f"students.{name}", student, StudentSettings, partly=True)


@dataclasses.dataclass(frozen=True)
class StudentSettings(compression.Policy):
    """What a preset says of a student.

    Attributes:
        max_loss: above 0, to 100; by how many points at most the student, after its training, may
            disagree with its teacher on artificial data, at the largest ratio that pilots find.
    """

    max_loss: float | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.max_loss is not None:
            rules.positive("max_loss", self.max_loss, 100)
            one = ("ranks", "energy", *compression.TARGETS)
            if given := [name for name in one if getattr(self, name) is not None]:
                raise rules.refusal("max_loss", "stand alone, with no size beside it", given[0])


def check_export(
    formats: Sequence[str],
    calibration_size: int,
    headroom: float,
    tolerance: float,
    qat: str,
    qat_steps: int,
    qat_learning_rate: float,
) -> None:
    """Refuses what no export can be made by.

    Args:
        formats: as in `exporting.deployed`, and so are the others.
        calibration_size: same as above.
        headroom: same as above.
        tolerance: same as above.
        qat: same as above.
        qat_steps: same as above.
        qat_learning_rate: same as above.

    Raises:
        ValueError: if a value is unknown, of another kind or outside its range.
    """
    rules.distinct("formats", formats, export.KNOWN)
    export.check_extras(formats)
    rules.whole("calibration_size", calibration_size)
    rules.positive("headroom", headroom, 100)
    rules.number("tolerance", tolerance, 0, 1)
    rules.choice("qat", qat, integers.QAT)
    rules.whole("qat_steps", qat_steps)
    rules.positive("qat_learning_rate", qat_learning_rate, 1)


def _check_images(
    name: str,
    image_shape: Sequence[int],
    label_names: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    splits: Mapping[str, str],
) -> None:
    _check_data(name, label_names, splits)
    rules.entries("image_shape", image_shape)
    for side in image_shape:
        rules.whole("image_shape", side)
    for each, values, rule in (("mean", mean, _finite), ("std", std, rules.positive)):
        rules.entries(each, values)
        for value in values:
            rule(each, value)
    if len(mean) != len(std):
        raise rules.refusal("mean", "come with as many deviations, `std`", (mean, std))


def _check_table(
    name: str, num_features: int, label_names: Sequence[str], splits: Mapping[str, str]
) -> None:
    _check_data(name, label_names, splits)
    rules.whole("num_features", num_features)


def _check_data(name, label_names, splits):
    rules.text("name", name)
    rules.entries("label_names", label_names)
    for label in label_names:
        rules.text("label_names", label)
    rules.mapping("splits", splits)
    for split in splits.values():
        rules.text("splits", split)


def _check_decoder(units: int, hidden_layers: int) -> None:
    extraction.Decoder.check(units=units, hidden_layers=hidden_layers)


_SECTIONS: dict[str, Callable] = {  # by name: what takes each of its keys as an argument
    "training": teachers.TrainingSettings,
    "generator": functools.partial(extraction.ImageGenerator.check, (8, 8, 1), 2),
    "dense_generator": functools.partial(extraction.DenseGenerator.check, 1, 2),
    "decoder": _check_decoder,
    "extraction": extraction.ExtractionSettings,
    "synthesis": synthesis.check_source,
    "distillation": distillation.DistillationSettings,
    "devices": extraction.Devices,
    "export": check_export,
}


def _taken(section, settings, check, partly=False):
    """Calls a check with the settings of a section, whose keys are arguments of it."""
    rules.mapping(section, settings)
    known = inspect.signature(check).parameters
    _known_keys(section, settings, known, partly)
    check(**settings)


def _known_keys(section, settings, known, partly=False):
    for key in settings:
        if key not in known:
            raise rules.refusal(section, f"hold some of {', '.join(known)}", key)
    if len(settings) < len(known) and not partly:
        missing = ", ".join(key for key in known if key not in settings)
        raise ValueError(f"`{section}` must hold {missing} as well. Received: {[*settings]}.")


def _finite(name, value):
    rules.number(name, value, -rules.MOST)


def _file_name(name, value):
    """Refuses what cannot be part of a path, such as a separator, or 300 characters."""
    if not isinstance(value, str) or not _FILE_NAME.fullmatch(value):
        rule = "be named by 100 letters, digits, '_', '.' and '-' at most, the first no sign"
        raise rules.refusal(name, rule, value)
