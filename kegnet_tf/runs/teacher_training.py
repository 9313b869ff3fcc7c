"""The only job that learns from real data: a preset's teacher."""

import dataclasses
import json
import os
import pathlib

import keras
import ml_collections

from kegnet_tf import distillation, extraction, teachers
from kegnet_tf.runs import real_data
from kegnet_tf.runs.report import versions
from kegnet_tf.runs.settings import check_settings
from kegnet_tf.runs.workdir import check_new, whole, write_json


def build_network(config: ml_collections.ConfigDict) -> keras.Model:
    """The preset's network, untrained.

    Raises:
        ValueError: if the preset names none that is known.
    """
    if config.network not in teachers.NETWORKS:
        known = ", ".join(teachers.NETWORKS)
        raise ValueError(
            f"`network` must be named by the preset (--dataset), one of {known}. "
            f"Received: {config.network!r}."
        )
    dataset = real_data.dataset(config)
    network = teachers.NETWORKS[config.network]
    return network(dataset.input_shape, len(dataset.label_names), seed=config.seed)


def train_teacher(
    config: ml_collections.ConfigDict,
    output: str | os.PathLike,
    *,
    data: real_data.DataOptions | None = None,
    network: keras.Model | None = None,
) -> str:
    """Trains the preset's network on its real data and saves it.

    Args:
        config: a preset.
        output: path of the new `.keras` file; a `.json` file beside it says how it was made.
        data: where the data come from.
        network: a model to train in place of the preset's.

    Returns:
        A line on how good it is.

    Raises:
        ValueError: if a setting is wrong, `output` is no `.keras` path, the preset distributes
            training, or the data are not at hand.
    """
    check_settings(config)
    output, data = pathlib.Path(output), data or real_data.DataOptions(download=True)
    if output.suffix != ".keras":
        raise ValueError(f"`output` must end in .keras. Received: {output}.")
    check_new("output", output, output.with_suffix(".json"))
    for name, choice in config.devices.items():
        if choice:
            raise ValueError(f"`{name}` must stay away from teachers. Received: {choice!r}.")
    dataset, model = real_data.dataset(config, data), network or build_network(config)
    splits = [dataset.load(split, data.download) for split in ("train", "valid", "test")]
    seed = extraction.derive_seed(config.seed, "training")
    settings = teachers.TrainingSettings(**config.training)
    teachers.train(model, *splits[:2], settings, seed=seed)
    counts = distillation.confusion(model.predict_on_batch, *splits[2], model.output_shape[-1])
    measures = distillation.measures(counts)
    made = {
        "config": json.loads(config.training.to_json()),
        "seed": config.seed,
        "versions": versions(),
        "digest": teachers.digest(model),
        **dataclasses.asdict(measures),
    }
    with whole(output) as partial:
        model.save(partial)
    write_json(output.with_suffix(".json"), made)
    return f"{output}: accuracy {measures.accuracy:.4f} on {len(splits[2][0])} test examples"
