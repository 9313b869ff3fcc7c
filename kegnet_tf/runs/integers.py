"""The stage of integers: the student that int8 files are made of, or those of four bits, trained.

It learns as its float self did, from the teacher's answers to artificial data, but as a device will
run it: kernels and tensors rounded. What is kept answers more often as the teacher does, on
artificial data held out from that training.
"""

import dataclasses
import functools
import hashlib
import json
import logging
import pathlib
from collections.abc import Callable

import keras
import numpy as np

from kegnet_tf import compression, distillation, teachers
from kegnet_tf.distillation import StudentResult
from kegnet_tf.export import ExportRecord
from kegnet_tf.runs import calibration, progress, records, streams

logger = logging.getLogger(__name__)
QAT = ("auto", "on", "off")
# What rounding may cost of the agreement on held-out artificial data before "auto" trains; ours.
SPARED = 0.0025
# Times the learning rate where BatchNorm went into kernels, which are of all magnitudes then; ours.
FOLDED = 0.1
_ROUNDED = 500  # examples that the errors of rounding are measured on; ours
_EPOCH = 100  # steps, after each of which the state is kept


def path(run, student: StudentResult, bits: int = 8) -> pathlib.Path:
    """The file of a student as integers.

    Args:
        run: a `Run`.
        student: which one.
        bits: of its kernels, 8 or 4.
    """
    suffix = "" if bits == 8 else f".int{bits}"
    return run.paths["integers"] / f"{student.stem}{suffix}.keras"


def settings(run) -> dict:
    """By name, what int8 is trained by.

    Args:
        run: a `Run`.
    """
    names = ("qat", "qat_steps", "qat_learning_rate")
    return {name: run.config.export[name] for name in names}


def fitted(
    run, student: StudentResult, model: keras.Model, record: ExportRecord, data: np.ndarray
) -> dict:
    """The student as integers: `path`, with a record beside it; found where it stands.

    Args:
        run: a `Run`; of one that was opened again nothing is trained, as its teacher is not there.
        student: which one.
        model: its float self.
        record: of the export, which says where `data` come from.
        data: that fix ranges, [size, ...], as the student expects them.

    Returns:
        `integers` of an `ExportRecord`; {} where no format asks for it, or the student holds what
        `compression.ranged` does not know, so that the converter finds ranges itself.
    """
    wanted = any(form.startswith("litert_int8") for form in record.formats)
    if not wanted or not compression.rangeable(model):
        return {}

    def start():
        ranged = compression.ranged(model)
        compression.fit_ranges(ranged, data)
        return ranged

    return _kept(run, student, record, _Kind(model, 8, start, data))


def lean(run, student: StudentResult, model: keras.Model, record: ExportRecord) -> dict:
    """The student whose large kernels have four bits, and floats between; else as `fitted`.

    Args:
        run: same as there.
        student: same as there.
        model: same as there.
        record: same as there.

    Returns:
        `lean` of an `ExportRecord`; {} where no format asks for it, or the student holds what
        `compression.folded` does not know.
    """
    if "litert_int4" not in record.formats or not compression.rangeable(model):
        return {}
    return _kept(run, student, record, _Kind(model, 4, lambda: compression.folded(model)))


@dataclasses.dataclass(frozen=True)
class _Kind:
    """How a student becomes integers: from which model, with which bits, ranges by which data."""

    model: keras.Model
    bits: int
    start: Callable[[], keras.Model]
    data: np.ndarray | None = None

    def standardised(self, model):
        """A model of `start` as integers, for standardised data."""
        return compression.as_integers(teachers.standardised(model, like=self.model), self.bits)


def _kept(run, student, record, kind):
    """Content of the record of a student as integers, made or found."""
    file = path(run, student, kind.bits)
    place = file.with_suffix(".json")
    trained, made = (_made_of(run, record, kind, each) for each in (True, run.teacher_at_hand))
    kept = records.read(place, trained) or records.read(place, made)
    if kept is None:
        steps = run.config.export.qat_steps
        title = f"{student.name} as integers of {kind.bits} bits"
        with progress.stage(title, steps) as stage:
            chosen, kept = _fit(run, student, kind, _backup(place, made), stage)
        if kind.data is not None:
            x = calibration.expected(run, run.unseen[0][:_ROUNDED])
            kept["roundings"] = [*map(dataclasses.asdict, compression.roundings(chosen, x))]
        records.write(place, kept, made, {file.name: chosen.save})
        distillation.remove_backup(_backup(place, made))
    return kept


def _made_of(run, record, kind, teacher_at_hand):
    config = json.loads(run.config.to_json())
    made = {
        **settings(run),
        **{name: config[name] for name in ("synthesis", "batch_size", "synthetic_size")},
        "teacher_at_hand": teacher_at_hand,
        "student": record.student_digest,
        "teacher": run.teacher_digest,
        "seed": run.config.seed,
    }
    if kind.data is None:
        return {**made, "bits": kind.bits}
    return {**made, "calibration": hashlib.sha256(np.ascontiguousarray(kind.data)).hexdigest()}


def _fit(run, student, kind, backup, stage):
    """(model, record's content): a student as integers, and training that makes up for rounding."""
    plainly, learner = kind.start(), kind.start()
    agreements = {
        "float": _agreement(run, teachers.standardised(kind.model)),
        "rounded": _agreement(run, kind.standardised(plainly)),
    }
    lost = agreements["float"] - agreements["rounded"]
    qat = run.config.export.qat if run.teacher_at_hand else "off"
    if qat == "off" or qat == "auto" and lost <= SPARED:
        return plainly, {"trained": False, "agreements": agreements}
    distillation.distil(
        kind.standardised(learner),
        functools.partial(streams.stream, run, _arm(run, student), student.seed),
        run.held_out,
        _settings(run, student, kind.model),
        backup=backup,
        told=stage.tell,
        verbose=0,
    )
    agreements["trained"] = _agreement(run, kind.standardised(learner))
    better = qat == "on" or agreements["trained"] > agreements["rounded"]
    logger.info(
        "%s with kernels of %d bits: the teacher's answer to %.2f %% of held-out artificial data, "
        "%.2f after training as integers, %.2f as floats.",
        student.name,
        kind.bits,
        *(100 * agreements[name] for name in ("rounded", "trained", "float")),
    )
    return learner if better else plainly, {"trained": better, "agreements": agreements}


def _arm(run, student):
    """What a student learns from; one that did not learn, what the run measures with."""
    return run.config.source if student.arm == "tucker" else student.arm


def _settings(run, student, model):
    tables = len(run.classifier.input_shape) == 2
    steps = run.config.export.qat_steps
    epochs = -(-steps // _EPOCH)
    norms = any(teachers.layers_of_kind(model, keras.layers.BatchNormalization))
    return distillation.DistillationSettings(
        loss=student.loss or ("cross_entropy" if tables else "logits"),
        temperature=run.config.distillation.temperature,
        learning_rate=run.config.export.qat_learning_rate * (FOLDED if norms else 1.0),
        epochs=epochs,
        steps_per_epoch=-(-steps // epochs),
    )


def _agreement(run, model):
    return distillation.agreement(model.predict_on_batch, *run.held_out)


def _backup(place, made):
    """Where the state of the training is kept while it lasts."""
    text = repr(sorted(records.flat(records.plain(made)).items()))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return place.with_name(f"{place.stem}.{digest[:16]}.backup.npz")
