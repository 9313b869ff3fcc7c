"""What stands beside the files of a teacher, as the text of a `README.md`."""

from collections.abc import Mapping

from kegnet_tf.export import card_parts
from kegnet_tf.export.parity import file_table
from kegnet_tf.export.record import ExportRecord


def teacher_card(
    dataset: str, record: ExportRecord, raw: tuple | None, quantisation: Mapping[str, tuple]
) -> str:
    """The text beside the files of a teacher, which was converted and not otherwise changed.

    Args:
        dataset: name of what it classifies.
        record: of these files.
        raw: as in `ModelCard`.
        quantisation: as in `ModelCard`.
    """
    parts = [
        f"# The teacher, a classifier of {dataset}",
        "The classifier that was given, in the formats of its student: the simpler thing to take. "
        f"It has {record.parameters:,} trainable parameters, and its weights the SHA-256 digest "
        f"`{record.teacher_digest}`. {card_parts.calibrated(record)}",
        file_table(record.exports),
        f"{card_parts.COMPARED} `export/README.md` of the run sets these files beside the "
        "student's.",
        *card_parts.interface(record, raw, quantisation),
    ]
    return "\n\n".join(parts) + "\n"
