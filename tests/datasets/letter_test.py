from unittest import mock

import pytest
import tensorflow_datasets as tfds

from kegnet_tf.datasets.letter import letter_dataset_builder


@pytest.mark.slow
class LetterTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = letter_dataset_builder.Builder
    SPLITS = {"train": 3, "test": 2}
    DL_DOWNLOAD_RESULT = {"all": "letter-recognition.data"}

    def setUp(self):
        super().setUp()
        few = mock.patch.object(self.DATASET_CLASS, "SIZES", self.SPLITS)
        few.start()
        self.addCleanup(few.stop)
