"""Pictures of a run: generated images, and charts of its numbers."""

from kegnet_tf.runs.pictures.charts import (
    class_balance,
    comparison,
    compression_curve,
    confusion_matrix,
    frontier_chart,
    loss_curves,
)
from kegnet_tf.runs.pictures.draws import (
    class_images,
    label_walk,
    latent_walk,
    mean_images,
    variety,
)
from kegnet_tf.runs.pictures.gallery import drawings
from kegnet_tf.runs.pictures.images import (
    class_grid,
    drawable,
    generated_grid,
    image_grid,
    mean_grid,
    real_beside_generated,
    tile,
    walk_grid,
)
from kegnet_tf.runs.pictures.look import caption

__all__ = [
    "caption",
    "class_balance",
    "class_grid",
    "class_images",
    "comparison",
    "compression_curve",
    "confusion_matrix",
    "drawable",
    "drawings",
    "frontier_chart",
    "generated_grid",
    "image_grid",
    "label_walk",
    "latent_walk",
    "loss_curves",
    "mean_grid",
    "mean_images",
    "real_beside_generated",
    "tile",
    "variety",
    "walk_grid",
]
