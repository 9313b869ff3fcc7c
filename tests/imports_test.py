"""The house of design.md: a module imports only from floors below, and learning sees no data."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FLOORS = {
    "kegnet_tf": 0,
    "kegnet_tf.batch_statistics": 0,
    "kegnet_tf.commands": 0,
    "kegnet_tf.configs": 0,
    "kegnet_tf.datasets": 0,
    "kegnet_tf.executors": 0,
    "kegnet_tf.graphs": 0,
    "kegnet_tf.latents": 0,
    "kegnet_tf.layers": 0,
    "kegnet_tf.losses": 0,
    "kegnet_tf.paper": 0,
    "kegnet_tf.pretrained": 0,
    "kegnet_tf.procedural": 0,
    "kegnet_tf.vbmf": 0,
    "kegnet_tf.workdir": 0,
    "kegnet_tf.charts": 1,
    "kegnet_tf.conversion": 1,
    "kegnet_tf.distribution": 1,
    "kegnet_tf.figures": 1,
    "kegnet_tf.networks": 1,
    "kegnet_tf.predictors": 1,
    "kegnet_tf.preprocessing": 1,
    "kegnet_tf.rank_policies": 1,
    "kegnet_tf.teachers": 1,
    "kegnet_tf.compression": 2,
    "kegnet_tf.distillation": 2,
    "kegnet_tf.evaluation": 2,
    "kegnet_tf.export": 2,
    "kegnet_tf.extraction": 2,
    "kegnet_tf.monitoring": 2,
    "kegnet_tf.report": 2,
    "kegnet_tf.synthesis": 2,
    "kegnet_tf.model_card": 3,
    "kegnet_tf.checks": 3,
    "kegnet_tf.comparison": 3,
    "kegnet_tf.curves": 3,
    "kegnet_tf.gallery": 3,
    "kegnet_tf.ensemble": 3,
    "kegnet_tf.deployment": 4,
    "kegnet_tf.export_benchmark": 4,
    "kegnet_tf.stages": 4,
    "kegnet_tf.pipeline": 5,
    "kegnet_tf.benchmark": 6,
    "kegnet_tf.cells": 6,
    "kegnet_tf.reexport": 6,
    "kegnet_tf.accuracy_benchmark": 7,
    "kegnet_tf.reproduce": 7,
    "bin": 8,
}
# Within these folders, modules may import each other.
FAMILIES = ("kegnet_tf.networks", "kegnet_tf.datasets", "kegnet_tf.configs")
SEES_DATA = ("kegnet_tf.pipeline", "kegnet_tf.reexport", "bin", "kegnet_tf.datasets")


def unit(name):
    """The entry of FLOORS that a dotted name stands in: `kegnet_tf.x`, or all of `bin`."""
    return ".".join(name.split(".")[: 1 if name.startswith("bin") else 2])


def imports(source):
    """Dotted names of the package's modules, and of TFDS, that a source imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                names = ["relative"]
            elif node.module == "kegnet_tf":
                names = [f"kegnet_tf.{alias.name}" for alias in node.names]
            else:
                names = [node.module]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")
        ):
            names = ["unnamed"]
        else:
            continue
        top = ("kegnet_tf", "tensorflow_datasets", "relative", "unnamed")
        yield from (name for name in names if name.split(".")[0] in top)


def offences(name, source):
    """What the source of a module, by its dotted name, imports against the rules; a list."""
    if unit(name) not in FLOORS:
        return [f"{name} has no floor"]
    found = []
    for imported in imports(source):
        home, target = unit(name), unit(imported)
        if imported == "unnamed":
            # The pipeline names a preset's network at run time; nothing else may.
            if home != "kegnet_tf.pipeline":
                found.append(f"{name} imports by a name that is not known before it runs")
        elif imported == "relative":
            found.append(f"{name} imports relatively")
        elif target == "tensorflow_datasets":
            if home != "kegnet_tf.datasets":
                found.append(f"{name} imports tensorflow_datasets")
        elif target not in FLOORS:
            found.append(f"{name} imports {imported}, which has no floor")
        elif target == "kegnet_tf.datasets" and home not in SEES_DATA:
            found.append(f"{name} imports {imported}: real data")
        elif FLOORS[target] >= FLOORS[home] and not (home == target and home in FAMILIES):
            found.append(f"{name} imports {imported}, which is not below it")
    return found


def sources():
    """(dotted name, path) of every module and binary of the checkout."""
    for path in sorted(ROOT.glob("kegnet_tf/**/*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path
    for path in sorted(ROOT.glob("configs/*.py")):
        yield f"kegnet_tf.configs.{path.stem}", path
    for path in sorted(ROOT.glob("bin/*")):
        if path.is_file():
            yield f"bin.{path.name}", path


@pytest.mark.parametrize(("name", "path"), sources(), ids=[name for name, _ in sources()])
def test_module_imports_only_from_floors_below_and_no_data(name, path):
    assert offences(name, path.read_text()) == []


def test_every_part_of_the_house_is_looked_at():
    seen = {unit(name) for name, _ in sources()}
    assert seen >= set(FLOORS)


@pytest.mark.parametrize(
    ("name", "source", "offence"),
    [
        ("losses", "import kegnet_tf.extraction", "which is not below it"),
        ("losses", "from kegnet_tf import latents", "which is not below it"),
        ("networks.mlp", "def f():\n    from kegnet_tf.teachers import load", "is not below it"),
        ("synthesis", "from kegnet_tf import latents, export", "kegnet_tf.export, which is not"),
        ("synthesis", "from kegnet_tf.datasets.images import ImageDataset", "real data"),
        ("extraction", "from kegnet_tf import datasets", "real data"),
        ("extraction", "import kegnet_tf.datasets.images as images", "real data"),
        ("extraction", "import tensorflow_datasets as tfds", "imports tensorflow_datasets"),
        ("pipeline", "import tensorflow_datasets as tfds", "imports tensorflow_datasets"),
        ("figures", "from . import latents", "imports relatively"),
        ("figures", "import importlib\nimportlib.import_module('x')", "before it runs"),
        ("figures", "from kegnet_tf.helpers import anything", "which has no floor"),
        ("helpers", "", "has no floor"),
        ("evaluation", "from kegnet_tf import pipeline", "which is not below it"),
    ],
)
def test_made_up_offence_is_found(name, source, offence):
    (found,) = offences(f"kegnet_tf.{name}", source)
    assert offence in found


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("kegnet_tf.networks.resnet14", "from kegnet_tf.networks.lenet5 import lenet5"),
        ("kegnet_tf.datasets.uci", "from kegnet_tf.datasets import images"),
        ("kegnet_tf.networks.mlp", "from kegnet_tf.layers import TuckerDense\nimport keras"),
        ("kegnet_tf.pipeline", "from kegnet_tf.datasets import images"),
        ("bin.kegnet", "from kegnet_tf import datasets, pipeline"),
        ("kegnet_tf.losses", "import tensorflow as tf"),
    ],
)
def test_made_up_import_within_the_rules_is_none(name, source):
    assert offences(name, source) == []
