"""The steps of extraction, synthesis and distillation, each beside its reference in one run."""

import tempfile

import ml_collections

from kegnet_tf import runs, teachers
from kegnet_tf.distillation import DistillationSettings
from kegnet_tf.experiments import generator_benchmark, student_benchmark
from kegnet_tf.extraction import ExtractionSettings


def training_steps(config: ml_collections.ConfigDict, steps: int, repeats: int) -> list[dict]:
    """Times the steps of extraction, synthesis and distillation of a preset.

    Args:
        config: a preset that names a network.
        steps: in one timed call.
        repeats: timed calls.

    Returns:
        The rows of `generator_benchmark.generator_step`, `compilation` and `diversity`, of
        `generators_together` for a table, and of `student_benchmark.input_pipeline` and, for each
        student, `student_step`.

    Raises:
        ValueError: if the preset names no network.
    """
    # What a network has learned does not change a step's time.
    network = runs.build_network(config)
    with tempfile.TemporaryDirectory() as folder:
        run = runs.Run(config, folder, teacher=network)
        seeds = range(config.num_generators)
        generators = [run.build_generator(seed) for seed in seeds]
        rows = _extraction(run, generators, steps, repeats)
        return rows + _distillation(run, generators, steps, repeats)


def _extraction(run, generators, steps, repeats):
    settings = ExtractionSettings(**run.config.extraction)
    timing = {"steps": steps, "repeats": repeats}
    decoders = [run.build_decoder(seed) for seed in range(len(generators))]
    first = run.teacher, generators[0], decoders[0], settings
    shape, latent_dim = run.teacher.input_shape[1:], generators[0].latent_dim
    rows = [
        generator_benchmark.generator_step(*first, **timing),
        generator_benchmark.compilation(*first, **timing),
        generator_benchmark.diversity(shape, latent_dim, settings, **timing),
    ]
    if len(shape) == 1:
        given = run.teacher, generators, decoders, settings
        rows.append(generator_benchmark.generators_together(*given, **timing))
    return rows


def _distillation(run, generators, steps, repeats):
    settings = DistillationSettings(**run.config.distillation)
    timing = {"steps": steps, "repeats": repeats}
    students = {name: teachers.standardised(student) for name, student in run.initial.items()}
    data = run.source_of(generators).stream(run.config.batch_size, seed=0)
    first = next(iter(students.values()))
    rows = [student_benchmark.input_pipeline(first, data, settings, **timing)]
    for name, student in students.items():
        row = student_benchmark.student_step(student, data, settings, **timing)
        rows.append({**row, "name": f"{row['name']}, {name}"})
    return rows
