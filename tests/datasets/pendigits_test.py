from unittest import mock

import pytest
import tensorflow_datasets as tfds

from kegnet_tf.datasets.pendigits import pendigits_dataset_builder


@pytest.mark.slow
class PendigitsTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = pendigits_dataset_builder.Builder
    SPLITS = {"train": 3, "test": 2}
    DL_DOWNLOAD_RESULT = {"train": "pendigits.tra", "test": "pendigits.tes"}

    def setUp(self):
        super().setUp()
        few = mock.patch.object(self.DATASET_CLASS, "SIZES", self.SPLITS)
        few.start()
        self.addCleanup(few.stop)
