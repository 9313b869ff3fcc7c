"""One cell of a table: a student's name, an arm and a seed, trained and measured.

Real data are seen here, to measure each student after each epoch, and feed nothing back: what a
cell trains and keeps is the same without them. The one exception says so in its name: the arm
"real" learns the teacher's answers to the real training images, as a ceiling for all the others.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
import shutil

import ml_collections
import numpy as np
import tensorflow as tf

from kegnet_tf import (
    checks,
    compression,
    evaluation,
    paper,
    pipeline,
    preprocessing,
    stages,
    synthesis,
    teachers,
)
from kegnet_tf.curves import Curves, figures
from kegnet_tf.latents import derive_seed
from kegnet_tf.workdir import claim, read_json, whole, write_json

REAL = "real"
# What a generator depends on.
_EXTRACTION = ("seed", "generator", "dense_generator", "decoder", "extraction", "distribution")


@dataclasses.dataclass(frozen=True)
class Job:
    """One data set under one configuration, in a folder of its own.

    Attributes:
        dataset: the preset's name.
        folder: the work directory.
        config: the preset.
        authors: whether students get the authors' budget, arm by arm.
        teacher: path of a `.keras` classifier.
        eval_data: as in `pipeline.run`, and so are the rest.
        download: whether TFDS may fetch real data.
        source_dir: folder of the raw files of a table.
        origin: folder of a job whose generators are taken where they would come out the same.
    """

    dataset: str
    folder: pathlib.Path
    config: ml_collections.ConfigDict = dataclasses.field(hash=False)
    authors: bool
    teacher: str
    eval_data: str = ""
    download: bool = False
    source_dir: str = ""
    origin: pathlib.Path | None = None


def check(job, students=()):
    """Refuses a job that cannot be done; nothing is written.

    Args:
        job: a `Job`.
        students: names among the preset's; empty for all.

    Returns:
        (identity, initial): for `prepare`; the students before distillation by name, None where
        they stand already.

    Raises:
        ValueError: if so.
    """
    config, source = job.config, teachers.load(job.teacher)
    dataset = pipeline.real_dataset(config, job.source_dir)
    artificial = config.copy_and_resolve_references()
    artificial.arms = tuple(arm for arm in config.arms if arm != REAL)
    checks.check_preset(artificial, source, dataset.input_shape, len(dataset.label_names))
    seed = derive_seed(config.seed, "start")
    initial = {}
    for name in checks.chosen(students, config.students):
        path = job.folder / "initial" / f"{name}.keras"
        settings = {"seed": seed, **config.students[name].to_dict()}
        initial[name] = None if path.exists() else compression.compress(source, **settings)
    test, valid = real_splits(job)
    settings = json.loads(config.to_json())
    for choice in ("arms", "num_seeds"):  # more of them may follow
        del settings[choice]
    return {
        "config": settings,
        "authors": job.authors,
        "teacher": teachers.digest(source),
        "test": _digest(test),
        "valid": _digest(valid) if valid else None,
    }, initial


def prepare(job, identity, initial):
    """Makes the folder of a job its own, and writes its students before distillation.

    Args:
        job: a `Job`.
        identity: of `check`, and so is the rest.
        initial: students by name, or None.

    Raises:
        ValueError: if the folder is another configuration's, teacher's or data's.
    """
    claim(job.folder, identity)
    for name, student in initial.items():
        if student:
            with whole(job.folder / "initial" / f"{name}.keras") as partial:
                student.save(partial)


def extract(job):
    """The task of one job that comes before its cells: its generators, and the teacher's measure.

    Args:
        job: a `Job`, after that of its `origin`.
    """
    _borrow_generators(job)
    source = teachers.load(job.teacher)
    model = preprocessing.standardised(source)
    stages.train_generators(job.config, job.folder, model)
    if not (job.folder / "teacher.json").exists():
        test, _ = real_splits(job)
        measured = {
            "accuracy": evaluation.accuracy(model.predict_on_batch, *test),
            "parameters": evaluation.trainable_parameters(model),
        }
        write_json(job.folder / "teacher.json", measured)


def cell(job, key):
    """The task of one cell: `students/NAME-ARM-SEED.keras`, and a JSON that says it is complete.

    It depends on `job`, `key` and the files of `extract`, not on what ran before it.

    Args:
        job: a `Job`.
        key: (name, arm, seed).

    Returns:
        The JSON: the row of `stages.train_student`, "dataset", "parameters", "compression_ratio",
        `figures`, and "curves" as in `Curves`.
    """
    name, arm, seed = key
    path = job.folder / "students" / f"{name}-{arm}-{seed}.json"
    student = path.with_suffix(".keras")
    if student.exists() and path.exists() and "last" in (row := read_json(path)):
        return row
    student.unlink(missing_ok=True)  # ended between the student and its measures
    model, artificial, held_out, test, valid = _bench(job)
    config = job.config.copy_and_resolve_references()
    if job.authors:
        config.update_from_flattened_dict(paper.arm_budget(job.dataset, arm))
    curves = Curves(test, valid)
    start = str(job.folder / "initial" / f"{name}.keras")
    given = model, start, key, held_out, artificial
    data = {"data": _real_stream(job, model, seed)} if arm == REAL else {}
    made, row = stages.train_student(config, job.folder, *given, callbacks=[curves], **data)
    if not curves.test:  # an arm that does not learn
        curves.measure(made.predict_on_batch)
    row |= {
        "dataset": job.dataset,
        "parameters": evaluation.trainable_parameters(made),
        "compression_ratio": evaluation.compression_ratio(model, made),
        **figures(curves.test, curves.valid, curves.agreement),
        "curves": {
            "test": curves.test,
            "valid": curves.valid,
            "agreement": curves.agreement,
        },
    }
    write_json(path, row)
    return row


def finished(folder):
    """The complete cells in the folder of a job: the rows of `cell`, without curves."""
    paths = sorted((folder / "students").glob("*.json"))
    rows = [read_json(path) for path in paths if path.with_suffix(".keras").exists()]
    return [
        {key: value for key, value in row.items() if key != "curves"}
        for row in rows
        if "last" in row
    ]


def real_splits(job):
    """Real (test, valid) of a job, each (x, label), standardised; valid is None where not at hand.

    Raises:
        ValueError: if there are no test data.
    """
    # The lines of an ablation have the data of the job that they come from.
    folder = job.origin or job.folder
    return _real_splits(dataclasses.replace(job, folder=folder, origin=None))


@functools.lru_cache(maxsize=1)
def _real_splits(job):
    config, source = job.config, teachers.load(job.teacher)
    sizes = source.input_shape[1:], source.output_shape[-1]
    test = pipeline.real_data(config, *sizes, job.eval_data, job.download, job.source_dir)
    if test is None:
        raise ValueError(
            f"`eval_data` must be given where no test data of {job.dataset!r} are at hand "
            "(TFDS_DATA_DIR, --download). Received: ''."
        )
    dataset, valid = pipeline.real_dataset(config, job.source_dir), None
    if config.data.name and (job.download or job.source_dir or dataset.is_prepared()):
        valid = dataset.load("valid", job.download)
    return tuple(
        data and (preprocessing.standardise(source, data[0]), data[1]) for data in (test, valid)
    )


def _real_stream(job, model, seed):
    """Endless stream of real training data with the teacher's answers, as `synthesis.stream`."""
    dataset = pipeline.real_dataset(job.config, job.source_dir)
    x, _ = dataset.load("train", job.download)
    x = preprocessing.standardise(teachers.load(job.teacher), x)
    p = tf.nn.softmax(model.predict(x, 500, verbose=0)).numpy()
    examples = tf.data.Dataset.from_tensor_slices((x, p))
    shuffled = examples.shuffle(len(x), derive_seed(job.config.seed, "real", seed))
    return shuffled.repeat().batch(job.config.batch_size).prefetch(2)


def _digest(data):
    sha = hashlib.sha256()
    for array in data:
        sha.update(np.ascontiguousarray(array))
    return sha.hexdigest()


def _borrow_generators(job):
    if not job.origin:
        return
    settings = read_json(job.origin / "config.json")["config"]
    own = json.loads(job.config.to_json())
    if any(settings[key] != own[key] for key in _EXTRACTION):
        return
    for index in range(job.config.num_generators):
        for suffix in (".csv", ".json", ".keras"):  # the last one says that it is complete
            path = job.origin / "generators" / f"{index}{suffix}"
            target = job.folder / "generators" / path.name
            if path.exists() and not target.exists():
                with whole(target) as partial:
                    shutil.copyfile(path, partial)


@functools.lru_cache(maxsize=1)
def _bench(job):
    """What the cells of a job share: (teacher, artificial, held_out, test, valid)."""
    source = teachers.load(job.teacher)
    model = preprocessing.standardised(source)
    generators, _ = stages.train_generators(job.config, job.folder, model)  # all of them stand
    artificial = stages.artificial(job.config, source, generators)
    held_out = synthesis.synthesise(
        model,
        job.config.source,
        job.config.held_out,
        seed=derive_seed(job.config.seed, "selection"),
        **artificial,
    )
    return model, artificial, held_out, *real_splits(job)
