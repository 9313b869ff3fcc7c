"""The content of `report.json`, and its tables for people to read."""

import dataclasses
import importlib.metadata
import pathlib
import statistics

from tabulate import tabulate

from kegnet_tf.distillation import StudentResult, TeacherResult
from kegnet_tf.export import ExportedFile, Recommendation, choice_table, file_table
from kegnet_tf.extraction import GeneratorResult
from kegnet_tf.runs import manifest, page
from kegnet_tf.runs.workdir import read_json

REPORTS = ("report.json", "report.md", "report.html")
PACKAGES = ("kegnet-tf", "keras", "tensorflow", "tensorly", "numpy", "ai-edge-litert")
ABOUT = (
    "Accuracy is on real test data; agreement with the teacher, and of exported files with "
    "their student, is on synthetic data that no student was trained or chosen on. Students are "
    "made by `tucker` (the teacher with some layers split, not trained), or trained after that on "
    "noise (`uniform`, `gaussian`), on what generators draw (`kegnet`), or on that and on shapes "
    "or noise that nobody had to learn (`kegnet+`). What a generator makes is recognised if the "
    "teacher gives it the class that was asked for."
)
BESIDE = (
    "The student's files in `export/` beside the teacher's own in `teacher/`, which need no data "
    "either: one example at a time, milliseconds on one thread of this machine, agreement with the "
    "teacher on the same synthetic data. One file beats another if it is smaller, no slower and "
    "agrees as often."
)


def versions() -> dict[str, str]:
    """Versions of what a run's numbers depend on."""
    return {package: importlib.metadata.version(package) for package in PACKAGES}


@dataclasses.dataclass(frozen=True)
class Report:
    """What came out of a run; `report.json` holds its fields.

    Attributes:
        dataset: the preset's name of it, or the name of the teacher's file.
        seed: the run's.
        versions: of packages, by name.
        teacher: parameters, and accuracy on real test data where there are any.
        students: in the order of names, arms and seeds.
        generators: all that were trained.
        exports: files of the student that was exported.
        label_names: one for each class; empty where nothing names them.
        unlabeled: the sentence on what students learned from beside artificial data; "" without.
        rivals: the teacher's own files, measured beside these.
        recommendation: the file to take; None where none was measured.
    """

    dataset: str
    seed: int
    versions: dict[str, str]
    teacher: TeacherResult
    students: list[StudentResult]
    generators: list[GeneratorResult]
    exports: list[ExportedFile] = dataclasses.field(default_factory=list)
    label_names: list[str] = dataclasses.field(default_factory=list)
    unlabeled: str = ""
    rivals: list[ExportedFile] = dataclasses.field(default_factory=list)
    recommendation: Recommendation | None = None

    @classmethod
    def read(cls, folder: pathlib.Path) -> "Report":
        """The report of a finished run in a folder.

        Raises:
            OSError: if there is none.
            TypeError, KeyError, ValueError: if it is not what `write` writes.
        """
        content = read_json(folder / "report.json")
        kinds = {
            "students": StudentResult,
            "generators": GeneratorResult,
            "exports": ExportedFile,
            "rivals": ExportedFile,
        }
        rows = {
            name: [kind(**row) for row in content.get(name, ())] for name, kind in kinds.items()
        }
        chosen = content.get("recommendation")
        return cls(
            **{
                **content,
                **rows,
                "teacher": TeacherResult(**content["teacher"]),
                "recommendation": chosen and Recommendation(**chosen),
            }
        )

    def write(self, folder: pathlib.Path) -> None:
        """Writes `report.json`, `report.md` and `report.html`."""
        content = manifest.text_of(dataclasses.asdict(self))
        texts = content, self.markdown(), page.html(self, folder)
        manifest.keep(folder, dict(zip(REPORTS, texts, strict=True)))

    def markdown(self) -> str:
        """The tables of students, generators and exported files; what is None stays empty."""
        title = f"# {self.dataset}, seed {self.seed}"
        about = [ABOUT, self.unlabeled]
        tables = [_means(self.students), _students(self), _generators(self.generators)]
        tables.append(file_table(self.exports))
        return "\n\n".join([title, *filter(None, about + tables), *self._choice()]) + "\n"

    @property
    def advice(self) -> str:
        """One line with the file to take and why; "" where none was measured."""
        chosen = self.recommendation
        return f"Recommended: {self.place(chosen)} {chosen.sentence}" if chosen else ""

    def place(self, file: ExportedFile | Recommendation) -> str:
        """The path of a file in the run's folder."""
        return f"{'teacher' if file.model == 'teacher' else 'export'}/{file.path}"

    def _choice(self):
        """The files of teacher and student beside each other, and the one to take."""
        if not self.recommendation:
            return []
        table = choice_table([*self.rivals, *self.exports], self.recommendation)
        return [BESIDE, table, self.advice]


def _means(students):
    """Mean and sample deviation over seeds, in percent: a row a student and way to make it."""
    cells = {}
    for student in students:
        cells.setdefault((student.name, student.arm), []).append(student)
    headers = ["student", "made by", "students", "ratio"]
    headers += ["accuracy", "balanced accuracy", "agreement"]
    rows = [
        [
            *key,
            len(cell),
            f"{cell[0].compression_ratio:.2f}",
            *(
                _spread([getattr(student, measure) for student in cell])
                for measure in ("accuracy", "balanced_accuracy", "agreement")
            ),
        ]
        for key, cell in cells.items()
        if len(cell) > 1
    ]
    return tabulate(rows, headers, "github", missingval="") if rows else ""


def _spread(values):
    if None in values:
        return None
    return f"{statistics.mean(values):.2%} ± {100 * statistics.stdev(values):.2f}"


def _students(report):
    headers = ["student", "made by", "seed", "parameters", "ratio", "accuracy", "balanced accuracy"]
    headers += ["agreement", "selection", "loss", "BatchNorm mode", "features", "seconds"]
    teacher = report.teacher
    measures = [teacher.accuracy, teacher.balanced_accuracy]
    rows = [["teacher", None, None, teacher.parameters, 1.0, *measures, *[None] * 6]]
    for row in report.students:
        rows.append([row.name, row.arm, row.seed, row.parameters, row.compression_ratio])
        rows[-1] += [row.accuracy, row.balanced_accuracy, row.agreement]
        rows[-1] += [row.selection, row.loss, row.batch_norm, row.features, row.seconds]
    forms = ("", "", "", "", ".2f", ".2%", ".2%", ".2%", "", "", "", "", ".0f")
    return tabulate(rows, headers, "github", floatfmt=forms, intfmt=",", missingval="")


def _generators(generators):
    headers = ["generator", "steps", "recognised", "classifier loss", "decoder loss"]
    headers += ["diversity loss", "statistics loss", "seconds"]
    rows = [
        [row.seed, row.steps, row.accuracy, row.classifier_loss, row.decoder_loss]
        + [row.diversity_loss, row.statistics_loss, row.seconds]
        for row in generators
    ]
    forms = ("", "", ".2%", ".4f", ".4f", ".4f", ".4f", ".0f")
    return tabulate(rows, headers, "github", floatfmt=forms, intfmt=",", missingval="")
