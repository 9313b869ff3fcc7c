"""Teachers that ship are what the presets and the records beside them say."""

import importlib
import json
import pathlib
import pkgutil

import keras
import pytest

from kegnet_tf import configs, teachers

PRESETS = {
    name: importlib.import_module(f"kegnet_tf.configs.{name}").get_config()
    for _, name, _ in pkgutil.iter_modules(configs.__path__)
    if name != "base"
}
SHIPPED = {name: config for name, config in PRESETS.items() if config.teacher}


@pytest.mark.slow
@pytest.mark.parametrize("preset", SHIPPED)
def test_teacher_that_ships_is_the_one_that_its_record_tells_of(preset):
    path = pathlib.Path(teachers.pretrained(SHIPPED[preset].teacher))
    record = json.loads(path.with_suffix(".json").read_text())
    model = keras.saving.load_model(path)
    assert teachers.digest(model) == record["digest"]
    labels = SHIPPED[preset].data.label_names
    assert model.output_shape == (None, len(labels))


def test_every_teacher_that_ships_has_a_preset():
    folder = pathlib.Path(teachers.pretrained("mnist")).parent
    names = {path.stem for path in folder.glob("*.keras")}
    assert names == {config.teacher for config in SHIPPED.values()}
