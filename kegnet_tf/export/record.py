"""What one export was made of and how it came out: its `export.json`."""

import dataclasses
import json
import pathlib

from kegnet_tf.export.parity import ExportedFile

_NAME = "export.json"


@dataclasses.dataclass(frozen=True)
class ExportRecord:
    """Content of an export's `export.json`. Sequences are kept as lists, as JSON gives them.

    Attributes:
        student: path of its `.keras` file, relative to the run's folder.
        teacher: the run's setting of that name.
        teacher_digest: SHA-256 of the teacher's weights.
        parameters: trainable ones of the student.
        formats: names among `FORMATS`.
        calibration: where the data that fixed the ranges of int8 came from.
        calibration_size: how many examples that were.
        headroom: what they were multiplied by.
        real_examples: real data that the files were compared on.
        input_shape: of one example.
        num_classes: length of an output.
        exports: one entry a file.
    """

    student: str
    teacher: str
    teacher_digest: str
    parameters: int
    formats: list[str]
    calibration: str
    calibration_size: int
    headroom: float
    real_examples: int
    input_shape: list[int]
    num_classes: int
    exports: list[ExportedFile] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        # So that a record equals the one that is read back.
        for name in ("formats", "input_shape", "exports"):
            object.__setattr__(self, name, list(getattr(self, name)))

    @classmethod
    def read(cls, folder: str | pathlib.Path) -> "ExportRecord":
        """The record of an export's folder.

        Raises:
            OSError: if there is none.
            ValueError: if it is not what `write` writes.
        """
        path = pathlib.Path(folder) / _NAME
        text = path.read_text()
        try:
            content = json.loads(text)
            rows = [ExportedFile(**row) for row in content["exports"]]
            return cls(**{**content, "exports": rows})
        except (KeyError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"`folder` must hold an export of kegnet. Received: {path} ({reason})."
            ) from error

    def write(self, folder: str | pathlib.Path) -> None:
        """Writes `export.json` in place: a folder that must be whole is renamed when it is."""
        content = json.dumps(dataclasses.asdict(self), indent=2)
        (pathlib.Path(folder) / _NAME).write_text(content + "\n")
