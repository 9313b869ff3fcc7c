"""Every picture of a run."""

import functools
import pathlib
from collections.abc import Callable, Sequence

import keras
import numpy as np

from kegnet_tf import extraction
from kegnet_tf.runs.pictures import charts, draws, images, look
from kegnet_tf.runs.workdir import read_curves, read_json


def drawings(
    folder: pathlib.Path,
    generators: Sequence[keras.Model],
    teacher: keras.Model,
    label_names: Sequence[str],
    seed: int,
    test: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Callable[[pathlib.Path], object]]:
    """Pictures of all generators of a run, beside real data where they are at hand.

    Losses and shares of answers come from `INDEX.csv` and `.json`.

    Args:
        folder: the run's `generators/`.
        generators: all that were trained, in the order of their files.
        teacher: the run's, standardised.
        label_names: one for each class; empty for the numbers.
        seed: integer of the random latents.
        test: real (x, label), x [size, ...] standardised and label [size], or None.

    Returns:
        Functions that draw to a path, by the picture's file name, and one that writes what each
        shows, "README.md".
    """
    names = label_names or [*map(str, range(teacher.output_shape[-1]))]
    pictures = _charts(folder, len(generators), names)
    if images.drawable(teacher.input_shape[1:]):
        pictures |= _grids(generators, names, seed)
        if test:
            pictures["real"] = lambda path: images.real_beside_generated(
                *_examples(generators, *test, seed), path, names
            )
    files = {
        f"{name}.png": lambda path, draw=draw: draw(path=path) for name, draw in pictures.items()
    }
    return {"README.md": lambda path: path.write_text(look.index(files))} | files


def _charts(folder, count, names):
    """Functions of a path, by the picture's name."""
    paths = [folder / str(index) for index in range(count)]

    def losses(path):
        charts.loss_curves({_name(each): _losses(each) for each in paths}, path)

    def class_balance(path):
        rows = {_name(each): read_json(each.with_suffix(".json")) for each in paths}
        charts.class_balance({name: row["shares"] for name, row in rows.items()}, path, names)

    return {"losses": losses, "class_balance": class_balance}


def _grids(generators, names, seed):
    """Functions of a path, by the picture's name."""
    pictures = {
        "classes": functools.partial(images.class_grid, generators, label_names=names, seed=seed),
        "averages": functools.partial(images.mean_grid, generators, label_names=names, seed=seed),
        "walks": functools.partial(images.walk_grid, generators, label_names=names),
    }
    for index, generator in enumerate(generators):
        pictures[f"generator-{index}"] = functools.partial(
            images.generated_grid, generator, label_names=names, seed=seed, index=index
        )
    return pictures


def _name(path):
    return f"generator {path.name}"


def _losses(path):
    curves = read_curves(path.with_suffix(".csv"))
    return {name: values for name, values in curves.items() if name.endswith("loss")}


def _examples(generators, x, label, seed, columns=8):
    """(real, generated) images, [num_classes, columns, ...]; the generators take turns.

    A class with too few real examples is filled with NaN, which is drawn black.
    """
    classes = generators[0].num_classes
    real = np.full((classes, columns, *x.shape[1:]), np.nan, np.float32)
    for each in range(classes):
        found = x[label == each][:columns]
        real[each, : len(found)] = found
    generated = []
    for column in range(columns):
        generator = generators[column % len(generators)]
        _, z = extraction.sample(seed, column, 1, classes, generator.latent_dim, "onehot")
        generated.append(draws.class_images(generator, z)[0])
    return real, np.stack(generated, axis=1)
