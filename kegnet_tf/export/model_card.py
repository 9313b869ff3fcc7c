"""What the receiver of an exported student should know, as the text of a `README.md`."""

import dataclasses
from collections.abc import Mapping, Sequence

from kegnet_tf import compression, distillation
from kegnet_tf.export.parity import file_table
from kegnet_tf.export.record import ExportRecord


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """The model card of an exported student. It gives no licence: that is the user's to choose.

    Attributes:
        dataset: name of what the teacher classifies.
        version: of kegnet_tf, that of the run.
        student: the one that was exported.
        teacher: what is known of the teacher.
        steps: of distillation.
        num_generators: how many generators took part.
        mixture: sources that were mixed with what the generators of `kegnet+` draw.
        layers: what compression did to each layer; empty where the student was given.
        record: of the export.
        raw: as in `save`: what is known of values that are not standardised.
        quantisation: by the path of each file with integers in and out, (scale, zero point) of its
            input and of its output.
        unlabeled: the sentence on what it learned from beside artificial data; "" where it did not.
    """

    dataset: str
    version: str
    student: distillation.StudentResult
    teacher: distillation.TeacherResult
    steps: int
    num_generators: int
    mixture: Sequence[str]
    layers: Sequence[compression.LayerReport]
    record: ExportRecord
    raw: tuple | None
    quantisation: Mapping[str, tuple]
    unlabeled: str = ""

    def markdown(self) -> str:
        """The card as Markdown text."""
        parts = [
            f"# {self.student.name}, a compressed classifier of {self.dataset}",
            _origin(self),
            f"## Compression\n\n{_compression(self)}",
            f"## Measured\n\n{_measured(self)}",
            file_table(self.record.exports),
            "Error is the largest absolute difference of a logit from the Keras student's, and "
            "agreement the share of examples with the same answer; both on synthetic data that no "
            "student has learned from, and on real test data where there were some.",
            f"## Input\n\n{_input(self)}",
            f"## Output\n\n{_output(self)}",
            *_integers(self),
            f"## Licence\n\n{_LICENCE}",
            f"## Limits\n\n{_LIMITS}",
        ]
        return "\n\n".join(parts) + "\n"


_LICENCE = (
    "None is given here. A student holds what its teacher knew: whoever passes it on chooses a "
    "licence that the teacher's allows, and writes it in this place."
)
_LIMITS = """- It is right as often as measured above only on data like those it was measured on.
- Agreement on synthetic data says how well it copies its teacher, not how often either is right.
- It answers with one of its classes whatever it is shown; probabilities are not calibrated.
- It has whatever bias the teacher has; compression can cost rare classes more than frequent ones.
- Fewer parameters are not a promise of lower latency: `kegnet-benchmark --exports=FOLDER` measures
  it beside the teacher's."""
_SOURCES = {
    "uniform": "uniform noise",
    "gaussian": "Gaussian noise",
    "heavy_tailed": "heavy-tailed noise",
    "procedural": "procedural images",
    "unlabeled": "unlabelled real data",
}
_CALIBRATION = {
    "kegnet": "drawn by the generators",
    "kegnet+": "of the mixture above",
    **{source: f"of {data}" for source, data in _SOURCES.items()},
    "train": "of the real training data",
}
_LOSSES = {
    "cross_entropy": "cross entropy with the teacher's probabilities",
    "logits": "squared error on centred logits",
}


def _origin(card):
    student, record = card.student, card.record
    calibration = _CALIBRATION.get(record.calibration, "of a file that was given")
    told = f" {card.unlabeled}" if card.unlabeled else ""
    return (
        f"{_arm(card)} (KegNet, NeurIPS 2019; kegnet_tf {card.version}, seed "
        f"{student.seed}).{_settled(student)}{told}\n\nThe teacher's weights have the SHA-256 "
        f"digest `{record.teacher_digest}`. The files for int8 were calibrated on "
        f"{record.calibration_size:,} examples, {calibration}, times {record.headroom:g}."
    )


def _arm(card):
    how = f"for {card.steps:,}" if card.unlabeled else f"without data: {card.steps:,}"
    drawn = (
        f"It was distilled {how} steps on what {card.num_generators} generators, learned from the "
        "teacher alone, draw"
    )
    mixed = set(card.mixture) - {"kegnet"}
    if "procedural" in mixed and len(card.record.input_shape) != 3:
        mixed = mixed - {"procedural"} | {"heavy_tailed"}  # what a table has in place of images
    others = " and ".join(_SOURCES[source] for source in sorted(mixed))
    return {
        "tucker": "It is the teacher after Tucker decomposition, with no distillation",
        "kegnet": drawn,
        "kegnet+": f"{drawn}, mixed with {others}" if others else drawn,
        **{
            source: f"It was distilled for {card.steps:,} steps on {data}"
            for source, data in _SOURCES.items()
        },
    }[card.student.arm]


def _settled(student):
    """The sentence on what its pilots, or the settings, chose; empty without distillation."""
    parts = []
    if student.loss is not None:
        parts.append(f" by {_LOSSES[student.loss]}")
    if student.batch_norm is not None:
        parts.append(f" with any BatchNorm in {student.batch_norm} mode")
    if student.features == "on":
        parts.append(" with its teacher's inner layers as hints")
    return f" It learned{','.join(parts)}." if parts else ""


def _compression(card):
    student = card.student
    text = (
        f"{student.parameters:,} trainable parameters where the teacher has "
        f"{card.teacher.parameters:,}: a ratio of {student.compression_ratio:.2f}."
    )
    return f"{text}\n\n{compression.layer_table(card.layers)}" if card.layers else text


def _measured(card):
    student = card.student
    lines = [f"- Agreement with the teacher on synthetic data: {student.agreement:.2%}"]
    if student.accuracy is not None:
        lines.append(
            f"- Accuracy on real test data: {student.accuracy:.2%} (balanced over classes "
            f"{student.balanced_accuracy:.2%}); teacher {card.teacher.accuracy:.2%}"
        )
    elif any(row.accuracy is not None for row in card.record.exports):
        lines.append("- Accuracy on real test data: measured for the files only, see below")
    else:
        lines.append("- Accuracy on real test data: not measured, there were none")
    return "\n".join(lines)


def _input(card):
    shape = ", ".join(str(side) for side in ("batch", *card.record.input_shape))
    text = f"`x`, float32, [{shape}]: "
    if card.raw is None:
        return (
            f"{text}what the teacher expects. Nothing tells its units; it learned here from values "
            "of mean 0 and deviation 1 in each channel or feature."
        )
    if not card.raw:
        return (
            f"{text}raw values, as the teacher expects them; the model standardises them itself. "
            "The SavedModel's signature `serving_raw` is the same."
        )
    mean, std = card.raw
    if len(card.record.input_shape) == 3:
        low, high = ([(end - m) / s for m, s in zip(mean, std, strict=True)] for end in (0, 1))
        return (
            f"{text}pixels in [0, 1], less {_list(mean)} and divided by {_list(std)}, so from "
            f"{_list(low)} to {_list(high)}. The SavedModel's signature "
            "`serving_raw` takes the pixels themselves, uint8 in [0, 255]."
        )
    return (
        f"{text}features in their own units, less {_list(mean)} and divided by {_list(std)}. "
        "The SavedModel's signature `serving_raw` takes the features themselves."
    )


def _output(card):
    return (
        f"`logits`, float32, [batch, {card.record.num_classes}]: any real numbers, whose softmax "
        "is the probability of each class. The largest is the answer, and its name stands in "
        "`labels.txt`, a line a class."
    )


def _integers(card):
    if not card.quantisation:
        return []
    return [
        "## Integers in and out",
        "A file with uint8 in and out holds, for each real number r, the integer "
        "q = round(r / scale) + zero point, cut to [0, 255].",
        "\n".join(
            f"- `{path}`: `x` has scale {x[0]:.8g} and zero point {x[1]}, `logits` scale "
            f"{logits[0]:.8g} and zero point {logits[1]}"
            for path, (x, logits) in card.quantisation.items()
        ),
    ]


def _list(values):
    shown = ", ".join(f"{value:.4g}" for value in list(values)[:8])
    return shown + (", …" if len(values) > 8 else "")
