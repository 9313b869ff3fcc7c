"""The smallest runs that tests share."""

import dataclasses

import numpy as np
from smallest import tiny_config, tiny_generator, tiny_teacher

from kegnet_tf import distillation, export, extraction, runs
from kegnet_tf.runs import exporting, generators, students

RECORD = export.ExportRecord(
    student="students/a.keras",
    student_digest="abc",
    teacher="",
    teacher_digest="def",
    parameters=7,
    formats=["litert_int8"],
    calibration="kegnet",
    calibration_size=6,
    headroom=2.0,
    real_examples=0,
    input_shape=[8, 8, 1],
    num_classes=3,
)


class HereRun(runs.Run):
    """A run that exports in its own process: a new one takes seconds to start."""

    convert = staticmethod(exporting.convert_here)


def export_nothing(path, loading, *, folder, formats, teacher=False, **_):
    """Stands for `Run.convert` where files are not looked at: they take seconds to make."""
    rows = []
    for form in formats:
        name = folder / f"{form}.tflite"
        name.write_text("no model")
        note = "poor" if form == "litert_float16" else None
        rows.append(
            export.ExportedFile(
                format=form,
                batch=1,
                path=name.name,
                bytes=8,
                max_abs_error=None,
                agreement=1.0,
                real_max_abs_error=None,
                real_agreement=None,
                accuracy=None,
                note=note,
                model="teacher" if teacher else "student",
                teacher_agreement=1.0,
            )
        )
    return rows


def no_time(paths):
    """Stands for `Run.latencies` where files are none."""
    return [export.Speed(float(index + 1)) for index, _ in enumerate(paths)]


class Drawn:
    """Stands for a source of noise, which takes half a second to trace."""

    def __init__(self, seeds):
        self.seeds = seeds

    def sample(self, size, seed):
        self.seeds.append(seed)
        x = np.random.default_rng(seed).normal(size=(size, 8, 8, 1)).astype(np.float32)
        return x, np.full((size, 3), 1 / 3, np.float32)


def tiny_run(folder, **overrides):
    """Makes a folder that of a finished run of `tiny_teacher`; returns the `Run`.

    Its students are the teacher itself, named "student", and one that is wrong of each example,
    named "wrong".
    """
    config = tiny_config(**{"num_generators": 1, "held_out": 12, **overrides})
    model, wrong = tiny_teacher(), tiny_teacher()
    wrong.layers[-1].set_weights([-weight for weight in wrong.layers[-1].get_weights()])
    run = runs.Run(config, folder, teacher=model)
    made = distillation.StudentResult(
        name="student",
        arm="kegnet",
        selection="last",
        seconds=1.0,
        parameters=127,
        agreement=0.9,
        compression_ratio=1.0,
    )
    spoilt = dataclasses.replace(made, name="wrong", arm="tucker", agreement=1.0)
    generator = tiny_generator()
    generator((np.eye(3)[:1], np.zeros((1, 2))))
    extracted = extraction.GeneratorResult(
        seed=0,
        seconds=1.0,
        steps=6,
        stopped=False,
        accuracy=1.0,
        shares=[0.5, 0.25, 0.25],
        classifier_loss=None,
        decoder_loss=None,
        diversity_loss=None,
        statistics_loss=None,
    )
    path, row = folder / "generators" / "0.json", dataclasses.asdict(extracted)
    made_of = generators.made_of(run)
    runs.claiming.claim(folder, run.identity)
    runs.manifest.keep(folder, {"compression.json": "{}"})
    runs.records.write(path, row, made_of, {"0.keras": generator.save})
    run.generators = [generator]
    for result, student in ((made, model), (spoilt, wrong)):
        key = result.name, result.arm, result.seed
        path = students.record_path(run, key)
        runs.records.write(path, {}, {}, {f"{path.stem}.keras": student.save})
    run.measured = runs.Report(
        dataset="tiny",
        seed=0,
        versions={"kegnet-tf": "0.1.0"},
        teacher=distillation.TeacherResult(parameters=127),
        students=[made, spoilt],
        generators=[extracted],
    )
    run.measured.write(folder)
    runs.manifest.seal(folder)
    return run
