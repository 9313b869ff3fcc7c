"""What the receiver of an exported student should know, as the text of a `README.md`."""

import dataclasses
from collections.abc import Mapping, Sequence

from kegnet_tf import compression, distillation
from kegnet_tf.export import card_parts
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
            input and of its output, and `input_scale`.
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
            card_parts.COMPARED,
            *_beside(self.record),
            *card_parts.rounding(self.record),
            *card_parts.interface(self.record, self.raw, self.quantisation),
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
- Fewer parameters are not a promise of lower latency, and latency on one machine none of another's:
  `kegnet-benchmark --exports=FOLDER` measures it beside the teacher's."""
_LOSSES = {
    "cross_entropy": "cross entropy with the teacher's probabilities",
    "logits": "squared error on centred logits",
}


def _origin(card):
    student, record = card.student, card.record
    told = f" {card.unlabeled}" if card.unlabeled else ""
    return (
        f"{_arm(card)} (KegNet, NeurIPS 2019; kegnet_tf {card.version}, seed "
        f"{student.seed}).{_settled(student)}{told}\n\nThe teacher's weights have the SHA-256 "
        f"digest `{record.teacher_digest}`. {card_parts.calibrated(record)}"
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
    others = " and ".join(card_parts.SOURCES[source] for source in sorted(mixed))
    return {
        "tucker": "It is the teacher after Tucker decomposition, with no distillation",
        "kegnet": drawn,
        "kegnet+": f"{drawn}, mixed with {others}" if others else drawn,
        **{
            source: f"It was distilled for {card.steps:,} steps on {data}"
            for source, data in card_parts.SOURCES.items()
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


def _beside(record):
    """The section on the teacher's files, where they were measured with the student's."""
    if not record.rivals:
        return []
    return [
        "## Beside the teacher",
        "The teacher's own files (`teacher/` of the run) need no data either. Of one example at a "
        "time, on one thread of the machine of the run, with XNNPACK (LiteRT's default) or "
        f"without, whichever was faster there:{record.beside()}",
    ]
