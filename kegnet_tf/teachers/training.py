"""Training of a teacher on real data: the only thing that needs them."""

import dataclasses
import math

import keras
import numpy as np

from kegnet_tf.teachers import graphs, rules

PRECISIONS = ("", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How a teacher is trained.

    Attributes:
        epochs: passes over the training data.
        batch_size: examples in a step.
        learning_rate: Adam's, at the start, in (0, 1].
        weight_decay: AdamW's (Loshchilov and Hutter, 2019), times the learning rate in each step;
            0 or more.
        flip: whether training images are mirrored left to right at random.
        shift: share of height and width by which training images move at most, at random.
        mixed_precision: "bfloat16" or "float16" for layers that compute in it while they are
            trained, and keep their weights in float32; "" for the model's own.

    Raises:
        ValueError: if a value is of another kind, not finite or outside its range.
    """

    epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    flip: bool = False
    shift: float = 0.0
    mixed_precision: str = ""

    def __post_init__(self):
        rules.whole("epochs", self.epochs)
        rules.whole("batch_size", self.batch_size)
        rules.positive("learning_rate", self.learning_rate, 1)
        rules.number("weight_decay", self.weight_decay)
        rules.flag("flip", self.flip)
        rules.number("shift", self.shift, 0, 1)
        rules.choice("mixed_precision", self.mixed_precision, PRECISIONS)


def train(
    model: keras.Model,
    train_data: tuple[np.ndarray, np.ndarray],
    valid_data: tuple[np.ndarray, np.ndarray],
    settings: TrainingSettings = TrainingSettings(),
    *,
    seed: int,
    verbose: int | str = 2,
) -> keras.callbacks.History:
    """Trains a classifier that answers in logits, with AdamW and a cosine to zero.

    The weights kept are those of the epoch that is best on the validation data. A `Normalization`
    layer is adapted to the training data first.

    Args:
        model: a Keras classifier, [batch, ...] to [batch, num_classes], trained in place.
        train_data: (x, label) of the training split.
        valid_data: (x, label) of the validation split.
        settings: how it is trained.
        seed: integer that fixes the order of the data and their augmentation.
        verbose: as in `keras.Model.fit`.

    Returns:
        Keras' `History`; its `params` tell the steps.
    """
    keras.utils.set_random_seed(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.adapt(train_data[0])
    # A model around the model: augmentation acts in training only and is no part of what is kept,
    # nor is the optimiser, which Keras would save with a compiled model.
    learner = model
    if settings.mixed_precision:
        learner = graphs.copy_with_policy(model, settings.mixed_precision, False)
    trainer = keras.Sequential(
        [keras.Input(model.input_shape[1:]), *_augmentation(settings, seed), learner]
    )
    steps = settings.epochs * math.ceil(len(train_data[0]) / settings.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    trainer.compile(
        keras.optimizers.AdamW(schedule, settings.weight_decay),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    best = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=settings.epochs, mode="max", restore_best_weights=True
    )
    history = trainer.fit(
        *train_data,
        settings.batch_size,
        settings.epochs,
        verbose,
        callbacks=[best],
        validation_data=valid_data,
    )
    if learner is not model:
        model.set_weights(learner.get_weights())
    return history


def _augmentation(settings, seed):
    layers = []
    if settings.flip:
        layers.append(keras.layers.RandomFlip("horizontal", seed=seed))
    if settings.shift:
        shift = settings.shift
        layers.append(keras.layers.RandomTranslation(shift, shift, "nearest", seed=seed))
    return layers
