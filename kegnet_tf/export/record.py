"""What one export was made of and how it came out: its `export.json`."""

import dataclasses
import json
import pathlib

from kegnet_tf.export.checksums import fingerprint, read_sealed, sealed
from kegnet_tf.export.choice import Recommendation, choice_table, recommend
from kegnet_tf.export.parity import ExportedFile

_NAME = "export.json"


@dataclasses.dataclass(frozen=True)
class ExportRecord:
    """Content of an export's `export.json`. Sequences are kept as lists, as JSON gives them.

    Attributes:
        student: path of its `.keras` file, relative to the run's folder.
        student_digest: SHA-256 of the student's weights.
        teacher: the run's setting of that name.
        teacher_digest: SHA-256 of the teacher's weights.
        parameters: trainable ones of the student.
        formats: names among `KNOWN`.
        calibration: where the data that fixed the ranges of int8 came from.
        calibration_size: how many examples that were.
        headroom: what they were multiplied by.
        real_examples: real data that the files were compared on.
        input_shape: of one example.
        num_classes: length of an output.
        basis: SHA-256 of what else it was made of: beside a student the teacher's record, of the
            teacher the settings of its artificial data; "" for nothing.
        tolerance: of `recommend`.
        qat: by name, the settings by which int8 was trained; empty for a teacher.
        integers: what came of that: "trained", whether int8 comes from training, and
            "agreements", the shares of held-out artificial data with the teacher's answer, by
            "float", "rounded" and "trained"; and "roundings", fields of `compression.Rounding`, the
            worst first. Empty where the converter found the ranges.
        lean: the same of kernels of four bits, without "roundings"; empty where nothing asks for
            these.
        exports: one entry a file.
        rivals: the teacher's files that were measured beside these.
        files: size and SHA-256 of every other file in the folder, by path.
    """

    student: str
    student_digest: str
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
    basis: str = ""
    tolerance: float = 0.0
    qat: dict[str, object] = dataclasses.field(default_factory=dict)
    integers: dict[str, object] = dataclasses.field(default_factory=dict)
    lean: dict[str, object] = dataclasses.field(default_factory=dict)
    exports: list[ExportedFile] = dataclasses.field(default_factory=list)
    rivals: list[ExportedFile] = dataclasses.field(default_factory=list)
    files: dict[str, dict] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        # So that a record equals the one that is read back.
        for name in ("formats", "input_shape", "exports", "rivals"):
            object.__setattr__(self, name, list(getattr(self, name)))

    @classmethod
    def read(cls, folder: str | pathlib.Path) -> "ExportRecord":
        """The record of an export's folder.

        Raises:
            OSError: if there is none.
            ValueError: if it is not what `write` writes.
        """
        path = pathlib.Path(folder) / _NAME
        try:
            content = read_sealed(path)
            del content["sha256"]
            rows = {
                name: [ExportedFile(**row) for row in content.get(name, ())]
                for name in ("exports", "rivals")
            }
            for row in (*rows["exports"], *rows["rivals"]):
                if row.path != pathlib.Path(row.path).name or row.path in ("", ".."):
                    raise ValueError(f"{row.path!r} is no name of a file in it")
            return cls(**{**content, **rows})
        except (KeyError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"`folder` must hold an export of kegnet. Received: {path} ({reason})."
            ) from error

    @property
    def settings(self) -> "ExportRecord":
        """What the export was made of, without what came out."""
        return dataclasses.replace(self, exports=[], rivals=[], files={}, integers={}, lean={})

    @property
    def recommendation(self) -> Recommendation | None:
        """The file to take, of the teacher's and these; None where nothing was measured."""
        return recommend([*self.rivals, *self.exports], self.tolerance)

    def beside(self) -> str:
        """Markdown: the files beside the teacher's, and which to take; "" where none was timed."""
        chosen = self.recommendation
        if chosen is None:
            return ""
        table = choice_table([*self.rivals, *self.exports], chosen)
        return f"\n\n{table}\n\nRecommended: {chosen.path} {chosen.sentence}"

    def intact(self, folder: str | pathlib.Path) -> list[pathlib.Path]:
        """The files of the folder that are as this record says."""
        paths = {pathlib.Path(folder) / name: known for name, known in self.files.items()}
        return [path for path in paths if path.is_file() and fingerprint(path) == paths[path]]

    def write(self, folder: str | pathlib.Path) -> None:
        """Writes `export.json` in place, last: a folder that must be whole is renamed when it is.

        `files` become those that lie there.
        """
        folder = pathlib.Path(folder)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {path.relative_to(folder).as_posix(): fingerprint(path) for path in paths}
        files.pop(_NAME, None)
        record = dataclasses.replace(self, files=files)
        content = json.dumps(sealed(dataclasses.asdict(record)), indent=2)
        (folder / _NAME).write_text(content + "\n")
