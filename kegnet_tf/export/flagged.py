"""One warning for all files of a model, with what to do about it."""

from collections.abc import Sequence

from kegnet_tf.export.parity import ExportedFile

_DO = {
    "litert_float16": "take a float32 file",
    "litert_dynamic_range": "take a float16 file",
    "litert_int4": "take a file with int8 weights (dynamic range), or train for longer "
    "(--config.export.qat=on --config.export.qat_steps=2000)",
    "litert_int8": "take a file with int8 weights alone (dynamic range), or train int8 for longer "
    "(--config.export.qat=on --config.export.qat_steps=2000)",
}


def warning(rows: Sequence[ExportedFile]) -> str:
    """What is to be said of the files that lose too much or could not be made; "" of none.

    Args:
        rows: of one model.
    """
    missing = [row for row in rows if row.note and not row.bytes]
    losing = [row for row in rows if row.note and row.bytes]
    sentences = []
    if losing:
        worst = losing[-1].note if len(losing) == 1 else max(losing, key=_lost).note
        form = losing[0].format.replace("litert_int8_integer_only", "litert_int8")
        advice = _DO.get(form, "compare it with a float32 file")
        sentences.append(f"{_names(losing)} {worst}: {advice}.")
    if missing:
        sentences.append(f"{_names(missing)} {missing[0].note.rstrip('.')}.")
    return " ".join(sentences)


def _lost(row):
    """A file's loss on what decides."""
    return -row.accuracy if row.accuracy is not None else row.loss or 0.0


def _names(rows):
    first, *others = (row.path for row in rows)
    return first if not others else f"{first} (and {', '.join(others)})"
