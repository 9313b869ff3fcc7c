"""Every picture of a run."""

import functools

import keras
import numpy as np

from kegnet_tf import charts, figures, latents
from kegnet_tf.workdir import read_curves, read_json, whole


def draw(config, workdir, model, test):
    """Pictures in `figures/` of all generators of a run, beside real data where they are at hand.

    Args:
        config: a preset.
        workdir: the run's folder, a `pathlib.Path`.
        model: the teacher, standardised.
        test: (x, label), standardised, or None.
    """
    paths = [workdir / "generators" / f"{index}.keras" for index in range(config.num_generators)]
    generators = [keras.saving.load_model(path, compile=False) for path in paths]
    names = config.data.label_names or [*map(str, range(model.output_shape[-1]))]
    seed = latents.derive_seed(config.seed, "figures")
    pictures = {
        "losses": lambda path: charts.loss_curves(
            {each.stem: _losses(each) for each in paths}, path
        ),
        "class_balance": lambda path: charts.class_balance(
            {each.stem: read_json(each.with_suffix(".json"))["shares"] for each in paths},
            path,
            names,
        ),
    }
    if figures.drawable(model.input_shape[1:]):
        pictures["classes"] = lambda path: figures.class_grid(generators, path, names)
        pictures["averages"] = lambda path: figures.mean_grid(generators, path, names, seed)
        pictures["walks"] = lambda path: figures.walk_grid(generators, path, names)
        for index, generator in enumerate(generators):
            pictures[f"generator-{index}"] = functools.partial(
                figures.generated_grid, generator, label_names=names, seed=seed
            )
        if test:
            pictures["real"] = lambda path: figures.real_beside_generated(
                *_examples(generators, *test, seed), path, names
            )
    for name, picture in pictures.items():
        path = workdir / "figures" / f"{name}.png"
        if not path.exists():
            with whole(path) as partial:
                picture(partial)


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
        _, z = latents.sample(seed, column, 1, classes, generator.latent_dim, "onehot")
        generated.append(figures.class_images(generator, z)[0])
    return real, np.stack(generated, axis=1)
