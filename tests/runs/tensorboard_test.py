import contextlib
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from smallest import tiny_decoder, tiny_generator, tiny_teacher
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams import metadata

from kegnet_tf import distillation, extraction
from kegnet_tf.runs import pictures, tensorboard

ROW = distillation.StudentResult(
    name="student1", arm="kegnet", seed=1, accuracy=0.75, agreement=0.875
)
SETTINGS = {
    "seed": 3,
    "extraction": {"alpha": 1.0, "distance": "l1", "epochs": 40, "jit_compile": False},
    "distillation": {"ranks": (2, 3), "loss": None},
    "data": {"name": "mnist"},
}
HPARAMS = (metadata.EXPERIMENT_TAG, metadata.SESSION_START_INFO_TAG)
COUNTS = [[3, 1, 0], [0, 0, 0], [0, 1, 999]]


def extract(log_dir, epochs=7, pictures=True, backup=None, callbacks=()):
    """Trains a tiny generator, 4 steps an epoch, with a picture for every 10."""
    generator = tiny_generator()
    if pictures:
        drawings = tensorboard.Drawings(seed=5, interval=10, rows=2)
        callbacks = [tensorboard.Curves(log_dir, drawings), *callbacks]
    settings = extraction.ExtractionSettings(batch_size=8, epochs=epochs, steps_per_epoch=4)
    extraction.extract(
        tiny_teacher(),
        [generator],
        [tiny_decoder()],
        settings,
        seeds=[0],
        backup=backup,
        callbacks=[callbacks],
        verbose=0,
    )
    return generator


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(folder, generator) of 28 steps of training."""
    folder = tmp_path_factory.mktemp("run") / "generator-0"
    return folder, extract(folder)


@pytest.fixture(scope="module")
def pass_epochs():
    """Function that lets a callback see the ends of epochs at some steps, and nothing train."""
    kegnet = extraction.KegNet(tiny_teacher(), tiny_generator(), tiny_decoder())
    kegnet.compile(keras.optimizers.SGD())
    own = kegnet.generator

    def pass_epochs(callback, steps, generator=own, start=0, logs=None):
        kegnet.generator = generator
        kegnet.optimizer.iterations.assign(start)
        callback.set_model(kegnet)
        callback.on_train_begin()
        for step in steps:
            kegnet.optimizer.iterations.assign(step)
            callback.on_epoch_end(0, logs or {"loss": 1.0})
        callback.on_train_end()

    return pass_epochs


def curves(log_dir, interval=500):
    return tensorboard.Curves(log_dir, tensorboard.Drawings(0, interval))


def points(folder):
    """{tag: {step: value}} of a folder's event files; a step that stands there twice is refused."""
    reader = EventAccumulator(str(folder), size_guidance={TENSORS: 0})
    reader.Reload()
    found = {}
    for tag in reader.Tags()["tensors"]:
        events = reader.Tensors(tag)
        found[tag] = {event.step: tf.make_ndarray(event.tensor_proto) for event in events}
        assert len(found[tag]) == len(events)
    return found


def picture(value):
    """The pixels of an image summary: its value is [width, height, PNG]."""
    width, height, png = value
    pixels = tf.io.decode_png(png).numpy()
    assert pixels.shape[:2] == (int(height), int(width))
    return pixels


def hparams(folder):
    reader = EventAccumulator(str(folder), size_guidance={TENSORS: 0})
    reader.Reload()
    content = reader.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    fields = metadata.parse_session_start_info_plugin_data(content).hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in fields.items()}


@pytest.mark.slow
def test_generated_is_drawn_after_epochs_that_pass_a_multiple_and_at_the_end(run):
    # Epochs end at 4, 8, ..., 28 steps: 12 passed 10, 20 is 20, and 28 is the end.
    found = {tag: list(steps) for tag, steps in points(run[0]).items() if "pictures/" in tag}
    assert found == {
        "pictures/generated": [0, 12, 20, 28],
        "pictures/z_walk": [28],
        "pictures/class_walk": [28],
    }


@pytest.mark.parametrize(
    ("interval", "epochs", "drawn"),
    [
        (4, [4, 8], [0, 4, 8]),  # the end is a multiple
        (500, [4], [0, 4]),  # shorter than the interval
        (1, [4, 8, 12], [0, 4, 8, 12]),  # several multiples in an epoch
        (500, range(100, 4001, 100), range(0, 4001, 500)),
    ],
)
def test_generated_is_drawn_once_a_step(pass_epochs, interval, epochs, drawn, tmp_path):
    pass_epochs(curves(tmp_path, interval), epochs)
    found = points(tmp_path)
    assert list(found["pictures/generated"]) == list(drawn)
    walks = list(found["pictures/z_walk"]), list(found["pictures/class_walk"])
    assert walks == ([drawn[-1]], [drawn[-1]])


@pytest.mark.slow
def test_pictures_are_those_of_the_trained_generator(run):
    folder, generator = run
    _, z = extraction.sample(5, 0, 2, 3, 2, "onehot")
    walks = [pictures.label_walk(generator, *pair) for pair in ((0, 1), (1, 2), (2, 0))]
    expected = {
        "pictures/generated": pictures.class_images(generator, z),
        "pictures/z_walk": pictures.latent_walk(generator, seed=5),
        "pictures/class_walk": np.concatenate(walks),
    }
    found = points(folder)
    for tag, images in expected.items():
        assert_array_equal(picture(found[tag][28]), pictures.tile(images))


@pytest.mark.slow
def test_pictures_of_different_steps_differ_by_training_alone(pass_epochs, run, tmp_path):
    pass_epochs(curves(tmp_path, 4), [4, 8])
    first, _, last = points(tmp_path)["pictures/generated"].values()
    assert_array_equal(first, last)
    first, *_, last = points(run[0])["pictures/generated"].values()
    assert not np.array_equal(first, last)


def test_pictures_are_in_colour_where_images_are(pass_epochs, tmp_path):
    generator = extraction.ImageGenerator(
        (8, 8, 3), 3, latent_dim=2, units=(8,), filters=(4, 2), seed=1
    )
    pass_epochs(curves(tmp_path), [4], generator)
    pixels = picture(points(tmp_path)["pictures/generated"][4])
    assert pixels.shape == (4 * 9 - 1, 3 * 9 - 1, 3)


def test_pictures_leave_a_generator_as_it_is(pass_epochs, tmp_path):
    generator = tiny_generator()
    pass_epochs(curves(tmp_path, 4), [4], generator)
    for one, other in zip(generator.get_weights(), tiny_generator().get_weights(), strict=True):
        assert_array_equal(one, other)


@pytest.mark.slow
def test_pictures_leave_training_as_it_is(run, tmp_path):
    plain = extract(tmp_path, pictures=False)
    for one, other in zip(run[1].get_weights(), plain.get_weights(), strict=True):
        assert_array_equal(one, other)


def test_training_that_goes_on_adds_pictures(pass_epochs, tmp_path):
    pass_epochs(curves(tmp_path, 4), [4, 8])
    pass_epochs(curves(tmp_path, 4), [12], start=8)
    found = points(tmp_path)
    assert sorted(found["pictures/generated"]) == [0, 4, 8, 12]
    assert sorted(found["pictures/z_walk"]) == sorted(found["pictures/class_walk"]) == [8, 12]


@pytest.mark.slow
def test_training_that_goes_on_adds_points_as_if_it_had_never_stopped(run, tmp_path):
    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 4:
                raise KeyboardInterrupt

    backup = tmp_path / "backup.npz"
    with pytest.raises(KeyboardInterrupt):
        extract(tmp_path, backup=backup, callbacks=[Kill()])
    assert list(points(tmp_path)["pictures/generated"]) == [0, 12]
    extract(tmp_path, backup=backup)
    resumed, whole = (points(folder) for folder in (tmp_path, run[0]))
    assert resumed.keys() == whole.keys()
    for tag, steps in whole.items():
        assert list(resumed[tag]) == list(steps)
        for step, value in steps.items():
            assert_array_equal(resumed[tag][step], value)
    assert list(resumed["loss/all"]) == [*range(4, 29, 4)]


def test_training_from_the_start_replaces_pictures(pass_epochs, tmp_path):
    for steps in ([4, 8], [4]):
        pass_epochs(curves(tmp_path, 4), steps)
    found = points(tmp_path)
    tags = ("loss/all", "pictures/generated", "pictures/z_walk", "pictures/class_walk")
    assert [list(found[tag]) for tag in tags] == [[4], [0, 4], [4], [4]]


@pytest.mark.slow
def test_last_picture_of_an_epoch_that_ruins_the_weights_is_of_those_before(tmp_path):
    class Ruin(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 12:
                weights = self.model.generator.trainable_variables[0]
                weights.assign(weights * np.nan)

    extract(tmp_path, callbacks=[Ruin()])
    found = points(tmp_path)["pictures/generated"]
    assert list(found) == [0, 12]
    assert len(np.unique(picture(found[12]))) > 2  # nothing but black and white otherwise


@pytest.mark.parametrize("name", ["interval", "rows"])
def test_images_refuse_a_size_that_is_not_positive(name, tmp_path):
    with pytest.raises(ValueError, match=f"`{name}` must be above 0. Received: 0."):
        tensorboard.Drawings(0, **{name: 0})


def test_generator_of_other_than_images_is_refused_before_it_trains(pass_epochs, tmp_path):
    class Vectors:
        num_classes, latent_dim = 3, 2

        def __call__(self, inputs, training=None):
            return np.zeros((len(inputs[0]), 16), np.float32)

    callback = curves(tmp_path / "log")
    with pytest.raises(ValueError, match=r"`images` must be .* Received: \(4, 3, 16\)"):
        pass_epochs(callback, [4], Vectors())
    assert not (tmp_path / "log").exists()


@pytest.mark.slow
def test_losses_and_metrics_of_extraction_have_a_point_an_epoch(run):
    found = points(run[0])
    losses = {"loss/all", "loss/classifier", "loss/decoder"}
    for tag in losses | {"teacher/recognised", "teacher/class_balance"}:
        assert list(found[tag]) == [*range(4, 29, 4)]
    assert not [tag for tag in found if tag.startswith("other/")]


def test_curves_of_a_student_hold_training_and_held_out_data_in_one_run(pass_epochs, tmp_path):
    logs = {"loss": 3.0, "agreement": 0.5, "val_agreement": 0.75, "val_loss": 2.0}
    pass_epochs(tensorboard.Curves(tmp_path), [4, 8], logs=logs)
    assert {tag: list(steps) for tag, steps in points(tmp_path).items()} == dict.fromkeys(
        ("loss/all", "loss/held_out", "agreement/training", "agreement/held_out"), [4, 8]
    )


@pytest.mark.parametrize(("seed", "name"), [(0, "student1/kegnet+"), (2, "student1/kegnet+-2")])
def test_training_of_a_student_is_called_after_it(seed, name):
    assert tensorboard.run_name("student1", "kegnet+", seed) == name


def test_student_has_one_point_of_each_measure_and_its_confusion_matrix(tmp_path):
    tensorboard.summarise(tmp_path, ROW, SETTINGS, COUNTS, ("a", "b", "c"))
    found = points(tmp_path)
    assert_allclose(found["result/accuracy"][0], 0.75)
    assert_allclose(found["result/agreement"][0], 0.875)
    expected = pictures.confusion_matrix(COUNTS, "abc")
    assert_array_equal(picture(found["result/confusion_matrix"][0]), expected)
    assert found.keys() == {
        "result/accuracy",
        "result/agreement",
        "result/confusion_matrix",
        *HPARAMS,
    }


def test_student_has_what_it_costs_among_its_results(tmp_path):
    row = dataclasses.replace(ROW, parameters=7, multiply_adds=9, compression_ratio=2.5)
    tensorboard.summarise(tmp_path, row, SETTINGS, int8_bytes=11)
    found = points(tmp_path)
    costs = ("parameters", "multiply_adds", "compression_ratio", "int8_bytes")
    assert [found[f"result/{name}"][0] for name in costs] == [7, 9, 2.5, 11]


def test_classes_without_names_are_numbered_in_the_confusion_matrix(tmp_path):
    tensorboard.summarise(tmp_path, ROW, SETTINGS, np.array(COUNTS))
    expected = pictures.confusion_matrix(COUNTS, "012")
    found = points(tmp_path)["result/confusion_matrix"][0]
    assert_array_equal(picture(found), expected)


def test_student_without_real_data_has_its_agreement_alone(tmp_path):
    tensorboard.summarise(tmp_path, dataclasses.replace(ROW, accuracy=None), SETTINGS)
    assert points(tmp_path).keys() == {"result/agreement", *HPARAMS}


def test_hyperparameters_are_the_student_and_the_settings_flat(tmp_path):
    tensorboard.summarise(tmp_path, ROW, SETTINGS)
    assert hparams(tmp_path) == {
        "made by": "kegnet",
        "name": "student1",
        "seed": 1,
        "setting.seed": 3,
        "setting.extraction.alpha": 1,
        "setting.extraction.distance": "l1",
        "setting.extraction.epochs": 40,
        "setting.extraction.jit_compile": False,
        "setting.distillation.ranks": "(2, 3)",
        "setting.distillation.loss": "None",
    }


def test_hyperparameters_tell_what_pilots_settled(tmp_path):
    row = dataclasses.replace(ROW, loss="logits", batch_norm="inference")
    tensorboard.summarise(tmp_path, row, {"distillation": {"loss": "auto"}})
    assert hparams(tmp_path) == {
        "made by": "kegnet",
        "batch_norm": "inference",
        "loss": "logits",
        "name": "student1",
        "seed": 1,
        "setting.distillation.loss": "auto",
    }


def test_second_summary_takes_the_place_of_the_first_and_spares_the_losses(tmp_path):
    losses = tmp_path / "events.out.tfevents.1.of.losses"
    losses.touch()
    tensorboard.summarise(tmp_path, ROW, SETTINGS, COUNTS)
    tensorboard.summarise(tmp_path, dataclasses.replace(ROW, accuracy=0.5), SETTINGS)
    found = points(tmp_path)
    assert found["result/accuracy"] == {0: 0.5}
    assert "result/confusion_matrix" not in found
    assert len(list(tmp_path.iterdir())) == 2
    assert losses.exists()


def test_summary_takes_the_place_of_a_half_written_one(tmp_path):
    tensorboard.summarise(tmp_path, ROW, SETTINGS)
    (events,) = tmp_path.iterdir()
    events.write_bytes(events.read_bytes()[:-7])
    tensorboard.summarise(tmp_path, ROW, SETTINGS)
    assert points(tmp_path)["result/agreement"] == {0: 0.875}


@pytest.fixture
def logdir(run):
    """A generator's and two students' folders."""
    for arm, accuracy in (("kegnet", 0.75), ("tucker", 0.5)):
        row = dataclasses.replace(ROW, arm=arm, accuracy=accuracy)
        folder = run[0].parent / tensorboard.run_name(row.name, arm, row.seed)
        tensorboard.summarise(folder, row, SETTINGS, COUNTS)
    return run[0].parent


@pytest.mark.slow
def test_runs_stand_side_by_side(logdir):
    reader = EventMultiplexer().AddRunsFromDirectory(str(logdir))
    reader.Reload()
    assert reader.Runs().keys() == {
        "generator-0",
        "student1/kegnet-1",
        "student1/tucker-1",
    }


@contextlib.contextmanager
def serving(pattern, *command):
    """Starts a server that tells its port by `pattern`; yields the URL, and ends it after."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if found := re.search(pattern, line):
                break
        else:
            raise RuntimeError("".join(lines))
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def fetch(url, body=None, method=None):
    """A JSON answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


# All text of a page, and widths of pictures and charts that are shown, inside of shadow trees too.
CONTENT = """
const page = {texts: [], images: [], charts: []};
const walk = node => {
  if (node.nodeType === Node.TEXT_NODE && node.data.trim()) page.texts.push(node.data.trim());
  if (node.nodeName === 'IMG' && node.offsetWidth) page.images.push(node.naturalWidth);
  if (node.nodeName === 'LINE-CHART' && node.offsetWidth) page.charts.push(node.offsetWidth);
  if (node.shadowRoot) node.shadowRoot.childNodes.forEach(walk);
  node.childNodes.forEach(walk);
};
walk(document.body);
return page;
"""


@pytest.fixture
def look(tmp_path):
    """Function that opens a URL in headless Chromium until it shows what is wanted."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs Debian's packages chromium and chromium-driver")
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1600,1400",
        f"--user-data-dir={tmp_path / 'chromium'}",
    ]
    wanted = {
        "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": options, "binary": shutil.which("chromium")},
        }
    }
    with serving(r"successfully on port (\d+)", "chromedriver", "--port=0") as driver:
        session = fetch(f"{driver}/session", {"capabilities": wanted})["value"]["sessionId"]
        session = f"{driver}/session/{session}"

        def look(url, shown, seconds=120):
            fetch(f"{session}/url", {"url": "about:blank"})
            fetch(f"{session}/url", {"url": url})
            until = time.monotonic() + seconds
            while True:
                script = {"script": CONTENT, "args": []}
                page = fetch(f"{session}/execute/sync", script)["value"]
                if shown(page):
                    return
                assert time.monotonic() < until, page
                time.sleep(1)

        yield look
        fetch(session, method="DELETE")


@pytest.mark.slow
def test_web_page_shows_scalars_images_and_hyperparameters(logdir, look):
    command = [sys.executable, "-m", "tensorboard.main", "--host=127.0.0.1", "--port=0"]
    server = serving(r"http://[^:]+:(\d+)", *command, f"--logdir={logdir}")
    with server as url:

        def scalars(page):
            tags = {"result/accuracy", "loss/all", "loss/decoder", "0.75", "0.875"}
            return tags <= set(page["texts"]) and len(page["charts"]) > 1

        def images(page):
            # Three columns of 8 pixels with gaps are 26 wide.
            width = pictures.confusion_matrix(COUNTS, "012").shape[1]
            tags = {"result/confusion_matrix", "pictures/generated", "pictures/z_walk"}
            return tags <= set(page["texts"]) and {26, width} <= set(page["images"])

        def hyperparameters(page):
            names = {"made by", "name", "setting.extraction.alpha", "accuracy on real test data"}
            values = {"kegnet", "tucker", "student1", "0.75000", "0.50000"}
            return names | values <= set(page["texts"])

        look(f"{url}/#timeseries", scalars)
        look(f"{url}/#images", images)
        look(f"{url}/#hparams", hyperparameters)
