"""The only door to real data: for training teachers, for measuring, and for the ceiling arm.

Nothing that learns from a teacher imports this module; what a `Run` asks here is measured with,
shown beside generated data, or said to be real by its name. The one exception is what a user gives
as `unlabeled`: students learn from it, and all that a run writes of them says so.
"""

import dataclasses
import functools
import hashlib
import logging
import os

import keras
import ml_collections
import numpy as np
import tensorflow as tf

from kegnet_tf import datasets, extraction, teachers

LOADERS = {"images": datasets.ImageDataset, "tables": datasets.TableDataset}
logger = logging.getLogger(__name__)
Examples = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """Where real data come from.

    Attributes:
        eval_data: path of a `.npz` file, see `datasets.load_arrays`, or of a folder with a folder
            of pictures for each class, see `datasets.load_class_folders`; "" for the preset's data.
        download: whether TFDS may fetch what is missing.
        source_dir: folder of the raw files of a table, in place of the network; "" for none.
        unlabeled: path of a `.npz` file with `x`, or of a folder of pictures, that students learn
            from as well; "" for none, and only then is a run free of data.
    """

    eval_data: str = ""
    download: bool = False
    source_dir: str = ""
    unlabeled: str = ""


def dataset(config: ml_collections.ConfigDict, options: DataOptions | None = None):
    """The preset's data set, unread.

    Raises:
        ValueError: if its settings are not those of its loader.
    """
    source_dir = options.source_dir if options else ""
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


def test_data(
    config: ml_collections.ConfigDict,
    options: DataOptions,
    input_shape: tuple,
    num_classes: int,
) -> Examples | None:
    """Real test data, the user's or the preset's.

    Args:
        config: a preset.
        options: where they come from.
        input_shape: of one example.
        num_classes: how many classes there are.

    Returns:
        (x, label), x as the model expects it; None, and a note on it, where there are none.

    Raises:
        ValueError: if `eval_data` is neither such a file nor such a folder.
    """
    if options.eval_data:
        given = options.eval_data, input_shape, num_classes, *_scale(config)
        if not _is_folder(options.eval_data):
            return datasets.load_arrays(*given)
        return datasets.load_class_folders(*given, config.data.label_names)
    if not config.data.name:
        logger.info("No real test data: --eval_data=FILE.npz or FOLDER adds real accuracy.")
        return None
    found = dataset(config, options)
    if options.download or options.source_dir or found.is_prepared():
        return found.load("test", options.download)
    logger.info(
        "No real test data: with --download, or TFDS_DATA_DIR set to a folder that holds %r, the "
        "same command adds real accuracy.",
        found.name,
    )
    return None


def _scale(config):
    """What standardises pixels in [0, 1], as far as the preset tells."""
    return config.data.get("mean", ()), config.data.get("std", ())


def _is_folder(path):
    """Whether a path is a folder's; one that is nothing's is a file's if it ends so."""
    return os.path.isdir(path) or not (os.path.exists(path) or str(path).endswith(".npz"))


class RealData:
    """The real data of one run; nothing is read before it is asked for.

    Args:
        config: a preset.
        options: where the data come from.
        classifier: the teacher with its own preprocessing.

    Raises:
        ValueError: if the preset's settings are not those of its loader.
    """

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        options: DataOptions,
        classifier: keras.Model,
    ):
        self.config, self.options, self.classifier = config, options, classifier
        self.dataset = dataset(config, options)

    @property
    def label_names(self) -> tuple[str, ...]:
        """One for each class: the preset's, or the user's class folders'; empty without either."""
        return tuple(self.dataset.label_names) or self._class_names

    @functools.cached_property
    def raw_test(self) -> Examples | None:
        """(x, label) of the test data, x as the classifier expects it; None without any."""
        sizes = self.classifier.input_shape[1:], self.classifier.output_shape[-1]
        return test_data(self.config, self.options, *sizes)

    @functools.cached_property
    def test(self) -> Examples | None:
        """The same, standardised."""
        return self._standardised(self.raw_test)

    @functools.cached_property
    def valid(self) -> Examples | None:
        """(x, label) of the preset's validation split, standardised; None where not at hand."""
        options, name = self.options, self.config.data.name
        if name and (options.download or options.source_dir or self.dataset.is_prepared()):
            return self._standardised(self.dataset.load("valid", options.download))
        return None

    @functools.cached_property
    def unlabeled(self) -> np.ndarray | None:
        """What students learn from beside artificial data, standardised; None without any."""
        path = self.options.unlabeled
        if not path:
            return None
        if _is_folder(path):
            shape = self.classifier.input_shape[1:]
            x = datasets.load_pictures(path, shape, *_scale(self.config), "unlabeled")
        else:
            x = self.examples(path, "unlabeled")
        return np.ascontiguousarray(teachers.standardise(self.classifier, x))

    @functools.cached_property
    def unlabeled_digest(self) -> str:
        """SHA-256 of these; "" without any."""
        if self.unlabeled is None:
            return ""
        sha = hashlib.sha256(str(self.unlabeled.shape).encode())
        sha.update(self.unlabeled)
        return sha.hexdigest()

    def training_examples(self) -> np.ndarray:
        """The preset's training split without labels, as the classifier expects it.

        Raises:
            ValueError: if it is not at hand.
        """
        options = self.options
        x, _ = self.dataset.load("train", options.download or bool(options.source_dir))
        return x

    def examples(self, path: str, argument: str = "calibration") -> np.ndarray:
        """The `x` of a user's `.npz` file, as the classifier expects it.

        Args:
            path: of the file.
            argument: what a refusal calls it.

        Raises:
            ValueError: if the file is not of that kind.
        """
        shape = self.classifier.input_shape[1:]
        return datasets.load_examples(path, shape, *_scale(self.config), argument)

    def training_stream(self, teacher: keras.Model, batch_size: int, seed: int) -> tf.data.Dataset:
        """Endless stream of real training data with the teacher's answers: the ceiling arm.

        Args:
            teacher: classifier from standardised x to logits.
            batch_size: rows of a batch.
            seed: integer, of a student.

        Returns:
            Batches of (x, p), as from `synthesis.Source.stream`.
        """
        x = teachers.standardise(self.classifier, self.training_examples())
        p = tf.nn.softmax(teacher.predict(x, 500, verbose=0)).numpy()
        order = extraction.derive_seed(self.config.seed, "real", seed)
        shuffled = tf.data.Dataset.from_tensor_slices((x, p)).shuffle(len(x), order)
        return shuffled.repeat().batch(batch_size).prefetch(2)

    @functools.cached_property
    def _class_names(self):
        path = self.options.eval_data
        return datasets.class_names(path) if path and _is_folder(path) else ()

    def _standardised(self, data):
        return data and (teachers.standardise(self.classifier, data[0]), data[1])
