import matplotlib
import numpy as np
from matplotlib.figure import Figure

from kegnet_tf import latents


def image_grid(images, path, row_names=None, column_names=None, title=None):
    """Writes a grid of images as a PNG, each image on its own scale of grey or colour.

    Args:
        images: [rows, columns, height, width, channels]; one channel is grey, three are colour.
        path: of the PNG.
        row_names: one for each row, or None.
        column_names: one for each column, or None.
        title: above the grid, or None.
    """
    rows, columns, *_, channels = images.shape
    figure = Figure(figsize=(0.7 * columns + 0.8, 0.7 * rows + 0.9), dpi=120, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for (row, column), axis in np.ndenumerate(axes):
        image = images[row, column]
        low, high = image.min(), image.max()
        image = (image - low) / max(high - low, np.finfo(np.float32).tiny)
        axis.imshow(
            image if channels == 3 else image[..., 0],
            cmap=None if channels == 3 else matplotlib.colormaps["gray"],
            interpolation="nearest",
        )
        axis.set(xticks=[], yticks=[])
        if row == 0 and column_names:
            axis.set_title(column_names[column], fontsize=8)
        if column == 0 and row_names:
            axis.set_ylabel(row_names[row], fontsize=8)
    if title:
        figure.suptitle(title, fontsize=9)
    figure.savefig(path, format="png")


def generated_grid(generator, path, label_names, seed, rows=8):
    """Writes a PNG of one generator's images: a column a class, z = 0 on top, random z below.

    Args:
        generator: model from (y, z) to images.
        path: of the PNG.
        label_names: one for each class.
        seed: integer of the random latents.
        rows: of the grid.
    """
    classes = generator.num_classes
    _, z = latents.sample(seed, 0, rows, classes, generator.latent_dim, "onehot")
    z = np.repeat(np.concatenate([np.zeros_like(z[:1]), z[1:]]), classes, axis=0)
    y = np.tile(np.eye(classes, dtype=np.float32), (rows, 1))
    x = np.asarray(generator((y, z), training=False))
    names = ["z = 0", *[""] * (rows - 1)]
    image_grid(x.reshape(rows, classes, *x.shape[1:]), path, names, label_names)
