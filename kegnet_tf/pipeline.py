import importlib
import json
import pathlib

import numpy as np

from kegnet_tf import (
    checks,
    compression,
    deployment,
    evaluation,
    export,
    gallery,
    latents,
    monitoring,
    predictors,
    preprocessing,
    report,
    stages,
    synthesis,
    teachers,
)
from kegnet_tf.datasets import arrays, images, tables
from kegnet_tf.workdir import claim, whole, write_json

LOADERS = {"images": images.ImageDataset, "tables": tables.TableDataset}


def train_teacher(config, output, *, download=True, source_dir=""):
    """Trains the preset's network on its real data and saves it.

    Args:
        config: a preset.
        output: path of the `.keras` file; a `.json` file beside it says how it was made.
        download: whether TFDS may fetch the data.
        source_dir: folder of the raw files of a table, in place of the network.

    Raises:
        ValueError: if `output` is no `.keras` path, or the data are not at hand.
    """
    output = pathlib.Path(output)
    if output.suffix != ".keras":
        raise ValueError(f"`output` must end in .keras. Received: {output}.")
    dataset = real_dataset(config, source_dir)
    model = build_network(config)
    train, valid, test = (dataset.load(split, download) for split in ("train", "valid", "test"))
    teachers.train(
        model, train, valid, seed=latents.derive_seed(config.seed, "training"), **config.training
    )
    counts = evaluation.confusion(model.predict_on_batch, *test, model.output_shape[-1])
    made = {
        "config": json.loads(config.training.to_json()),
        "seed": config.seed,
        "versions": report.versions(),
        "digest": teachers.digest(model),
        **evaluation.measures(counts),
    }
    with whole(output) as partial:
        model.save(partial)
    write_json(output.with_suffix(".json"), made)
    print(f"{output}: accuracy {made['accuracy']:.4f} on {len(test[0])} test examples")


def build_network(config):
    """The preset's network, untrained.

    Raises:
        ValueError: if the preset names none.
    """
    if not config.network:
        raise ValueError("`network` must be named by the preset (--dataset). Received: ''.")
    module = importlib.import_module(f"kegnet_tf.networks.{config.network}")
    network = getattr(module, config.network)
    dataset = real_dataset(config)
    return network(dataset.input_shape, len(dataset.label_names), seed=config.seed)


def run(
    config,
    workdir,
    *,
    teacher="",
    student="",
    students=(),
    eval_data="",
    download=False,
    source_dir="",
    **loading,
):
    """The main job: extract, synthesise, compress, distil, evaluate, export, report.

    Every stage writes whole or not at all and is skipped where its output stands already, so that
    a second call goes on where the first was ended, inside a generator's training too.

    Args:
        config: a preset, as from `kegnet_tf.configs`; `base` for a teacher that no preset knows.
        workdir: the run's folder; made where it is missing.
        teacher: path of a `.keras` classifier; "" for the one that ships for the preset.
        student: path of a `.keras` classifier of any architecture, distilled from its own weights
            in place of the preset's students; "" for those.
        students: names among the preset's; empty for all.
        eval_data: path of a `.npz` file, see `kegnet_tf.datasets.arrays`; "" for the preset's data.
        download: whether TFDS may fetch the test data.
        source_dir: folder of the raw files of a table, in place of the network.
        **loading: of `kegnet_tf.teachers.load`.

    Returns:
        The content of `report.json`.

    Raises:
        ValueError: on bad input, before anything is written, and where `workdir` holds a run of
            another configuration or teacher.
    """
    workdir = pathlib.Path(workdir)
    source = teachers.load(teacher or teachers.pretrained(config.teacher), **loading)
    model = preprocessing.standardised(source)
    dataset = real_dataset(config, source_dir)
    checks.check_preset(config, source, dataset.input_shape, len(dataset.label_names))
    identity = {"config": json.loads(config.to_json()), "teacher": teachers.digest(source)}
    if student:
        own = teachers.load(student, **{**loading, "output": ""})
        checks.check_student(own, source)
        identity["student"] = teachers.digest(own)
        initial = {"student": own}
    else:
        initial = {
            name: compression.compress(source, **config.students[name].to_dict())
            for name in checks.chosen(students, config.students)
        }
    sizes = source.input_shape[1:], source.output_shape[-1]
    raw = real_data(config, *sizes, eval_data, download, source_dir)
    test = raw and (preprocessing.standardise(source, raw[0]), raw[1])
    claim(workdir, identity)
    _report_compression(workdir, source, {} if student else initial)
    generators, generator_rows = stages.train_generators(config, workdir, model)
    gallery.draw(config, workdir, model, test)
    artificial = stages.artificial(config, source, generators)
    held_out, unseen = (
        synthesis.synthesise(
            model,
            config.source,
            config.held_out,
            seed=latents.derive_seed(config.seed, stage),
            **artificial,
        )
        for stage in ("selection", "evaluation")
    )
    stages.save_synthetic(config, workdir, model, artificial)
    student_rows = []
    for name, start in initial.items():
        for arm in config.arms:
            for seed in range(config.num_seeds if arm in synthesis.SOURCES else 1):
                key = name, arm, seed
                made, row = stages.train_student(
                    config, workdir, model, start, key, held_out, artificial
                )
                measured, counts = _measured(made, test, unseen)
                row |= measured
                row["compression_ratio"] = evaluation.compression_ratio(model, made)
                folder = workdir / "tensorboard" / f"{name}-{arm}-{seed}"
                names = config.data.label_names
                monitoring.summarise(folder, row, config.to_dict(), counts, names)
                student_rows.append(row)

    original, _ = _measured(model, test, unseen)
    del original["agreement"]
    content = {
        "dataset": config.data.name or pathlib.Path(teacher).stem,
        "seed": config.seed,
        "versions": report.versions(),
        "teacher": original,
        "students": student_rows,
        "generators": generator_rows,
    }
    content["exports"] = deployment.deploy(
        config,
        workdir,
        workdir / "export",
        content,
        deployment.choose(student_rows),
        teacher_digest=identity["teacher"],
        artificial=artificial,
        test=raw,
        **loading,
    )
    write_json(workdir / "report.json", content)
    with whole(workdir / "report.md") as path:
        path.write_text(report.markdown(content))
    print(f"\n{report.markdown(content)}\nEverything is in {workdir}.")
    return content


def evaluate(config, path, *, eval_data="", download=False, source_dir=""):
    """Measures one file and prints the result as JSON.

    Args:
        config: a preset, for its data.
        path: of a `.keras` file, a SavedModel's folder or a `.tflite` file.
        eval_data: as in `run`; "" for the preset's data.
        download: whether TFDS may fetch the test data.
        source_dir: folder of the raw files of a table, in place of the network.

    Returns:
        {"path", "bytes", "accuracy", "balanced_accuracy", "recall", "milliseconds"}: the three in
        the middle on real test data, None without them, and the median latency of one example.
    """
    predict = predictors.predictor(path)
    sizes = predict.input_shape, predict.num_classes
    test = real_data(config, *sizes, eval_data, download, source_dir)
    row = {
        "path": str(path),
        "bytes": export.size(path),
        **evaluation.measures(test and evaluation.confusion(predict, *test, predict.num_classes)),
        "milliseconds": evaluation.latency(
            predict, np.zeros((1, *predict.input_shape), np.float32)
        ),
    }
    print(json.dumps(row, indent=2))
    return row


def real_dataset(config, source_dir=""):
    """The preset's data set.

    Args:
        config: a preset.
        source_dir: folder of the raw files of a table, in place of the network.

    Raises:
        ValueError: if its settings are not those of its loader.
    """
    if config.loader not in LOADERS:
        raise ValueError(
            f"`loader` must be one of {', '.join(LOADERS)}. Received: {config.loader!r}."
        )
    if source_dir and config.loader != "tables":
        raise ValueError(f"`source_dir` must be empty for images. Received: {source_dir!r}.")
    origin = {"source_dir": source_dir} if source_dir else {}
    try:
        return LOADERS[config.loader](**config.data, **origin)
    except TypeError as error:
        raise ValueError(
            f"`data` must be what {config.loader!r} takes. Received: {error}."
        ) from error


def real_data(config, input_shape, num_classes, eval_data, download, source_dir):
    """Real test data, the user's or the preset's.

    Args:
        config: a preset.
        input_shape: of one example.
        num_classes: how many classes there are.
        eval_data: path of a `.npz` file, see `kegnet_tf.datasets.arrays`; "" for the preset's data.
        download: whether TFDS may fetch them.
        source_dir: as in `real_dataset`.

    Returns:
        (x, label), x as the model eats it; None, and a printed word on it, where there are none.

    Raises:
        ValueError: if `eval_data` is no such file.
    """
    if eval_data:
        scale = config.data.get("mean", ()), config.data.get("std", ())
        return arrays.load(eval_data, input_shape, num_classes, *scale)
    if not config.data.name:
        print("No real test data: --eval_data=FILE.npz adds real accuracy.")
        return None
    dataset = real_dataset(config, source_dir)
    if download or source_dir or dataset.is_prepared():
        return dataset.load("test", download)
    print(
        f"No real test data: with --download, or TFDS_DATA_DIR set to a folder that holds "
        f"{dataset.name!r}, the same command adds real accuracy."
    )
    return None


def _report_compression(workdir, source, initial):
    layers = {name: compression.layer_report(source, start) for name, start in initial.items()}
    write_json(workdir / "compression.json", layers)
    for name, rows in layers.items():
        print(f"{name}\n{report.layers(rows)}\n", flush=True)


def _measured(model, test, unseen):
    """What `report.json` holds of a model, and its confusion counts, None without real data."""
    predict = model.predict_on_batch
    counts = test and evaluation.confusion(predict, *test, model.output_shape[-1])
    measured = {
        "parameters": evaluation.trainable_parameters(model),
        **evaluation.measures(counts),
        "agreement": evaluation.agreement(predict, *unseen),
    }
    return measured, counts
