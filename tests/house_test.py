"""The house as a law: rooms on floors, real data behind one door, sizes of what stands in it."""

import ast
import dataclasses
import functools
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
ROOMS = ("teachers", "compression", "extraction", "synthesis", "distillation", "export", "runs")
FLOORS = (*ROOMS, "experiments", "kegnet_tf", "bin")  # from the ground up
MAY_CONFIGURE = ("configs", "runs", "experiments")
DOOR = "kegnet_tf.runs.real_data"
# All that reach real data, through whatever they import: runs and what makes several of them.
SEES_DATA = {
    *("bin.kegnet", "bin.kegnet-benchmark", "bin.kegnet-evaluate", "bin.kegnet-export"),
    *("bin.kegnet-reproduce", "bin.kegnet-teacher", "kegnet_tf"),
    *("kegnet_tf.runs", DOOR, "kegnet_tf.runs.run", "kegnet_tf.runs.job", "kegnet_tf.runs.setup"),
    "kegnet_tf.runs.planning",
    *("kegnet_tf.runs.evaluation", "kegnet_tf.runs.teacher_training"),
    *("kegnet_tf.experiments", "kegnet_tf.experiments.ablation", "kegnet_tf.experiments.cells"),
    *("kegnet_tf.experiments.accuracy_benchmark", "kegnet_tf.experiments.training_benchmark"),
    *("kegnet_tf.experiments.reproduce", "kegnet_tf.experiments.settings"),
    *("kegnet_tf.experiments.frontier", "kegnet_tf.experiments.panel"),
}
TRAINS = ("distil", "extract", "train")  # may take ten parameters, others eight
# TFDS has no public way; a user names his own layers by module.
NOT_OURS = {
    "kegnet_tf.datasets.uci": {"self._original_state"},
    "kegnet_tf.teachers.loading": {"pkgutil.resolve_name"},
}


@dataclasses.dataclass(frozen=True)
class Module:
    """A source under its dotted name; `package` says whether it is an `__init__`."""

    name: str
    source: str
    package: bool = False

    @functools.cached_property
    def nodes(self):
        return [*ast.walk(ast.parse(self.source))]

    @property
    def room(self):
        return room_of(self.name)

    @functools.cached_property
    def exports(self):
        """Dotted origin of each public name of a package, lazily loaded ones included."""
        origins, public = {}, []
        for node in self.nodes if self.package else ():
            if isinstance(node, ast.ImportFrom):
                origins |= {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                public = ast.literal_eval(node.value)
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_loader.attach":
                tables = {key.arg: ast.literal_eval(key.value) for key in node.keywords}
                lazy = {name: name for name in tables.get("submodules", ())}
                for module, names in tables.get("submod_attrs", {}).items():
                    lazy |= {name: f"{module}.{name}" for name in names}
                return {name: f"{self.name}.{origin}" for name, origin in lazy.items()}
        return {name: origins.get(name, self.name) for name in public}

    @functools.cached_property
    def imports(self):
        """Dotted names of all that is imported, in functions too; "." stands for relatively.

        Where attributes of a name are used, as in `runs.Run`, they are named in its place.
        """
        used = {}
        for node in self.nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used.setdefault(node.value.id, set()).add(node.attr)
        found = set(self.exports.values())
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    whole = "." if node.level else f"{node.module}.{alias.name}"
                    attributes = used.get(alias.asname or alias.name)
                    found |= {f"{whole}.{each}" for each in attributes} if attributes else {whole}
        return found


def room_of(name):
    """The room of a module, or of what is imported; "" for other packages."""
    first, second = (*name.split("."), "")[:2]
    known = (*FLOORS, "configs", "datasets")
    if first == "kegnet_tf":
        return second if second in known else "kegnet_tf"
    return first if first in ("bin", "tensorflow_datasets", "") else "other"


@pytest.fixture(scope="module")
def house():
    """Every module and binary of the checkout, by dotted name."""
    paths = {path: path.relative_to(ROOT) for path in ROOT.glob("kegnet_tf/**/*.py")}
    paths |= {path: "kegnet_tf" / path.relative_to(ROOT) for path in ROOT.glob("configs/*.py")}
    paths |= {path: path.relative_to(ROOT) for path in ROOT.glob("bin/*") if path.is_file()}
    found = {}
    for path, place in paths.items():
        name = ".".join(place.with_suffix("").parts).removesuffix(".__init__")
        found[name] = Module(name, path.read_text(), path.stem == "__init__")
    return found


def defines(modules, name):
    """The module that defines an imported name, followed through re-exports; None outside."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        module = modules.get(".".join(parts[:end]))
        if module:
            origin = module.exports.get(parts[end]) if end < len(parts) else None
            return defines(modules, origin) if origin else module.name
    return None


def reaching(modules, target):
    """Names of the modules that import a room or package, themselves or through others."""
    found = {name for name, each in modules.items() if target in map(room_of, each.imports)}
    edges = {
        name: {defines(modules, imported) for imported in each.imports}
        for name, each in modules.items()
    }
    while more := {name for name in edges if edges[name] & found} - found:
        found |= more
    return found


def misplaced(module, modules):
    """What a module imports against the rules."""
    for name in sorted(module.imports):
        target = room_of(name)
        if name.startswith("."):
            yield f"{module.name} imports relatively"
        elif target in ("other", module.room):
            continue
        elif target == "tensorflow_datasets":
            if module.room != "datasets":
                yield f"{module.name} imports {name}"
        elif target == "datasets" and module.name != DOOR:
            yield f"{module.name} imports {name}: real data"
        elif target == "configs":
            if module.room not in MAY_CONFIGURE:
                yield f"{module.name} imports {name}: a preset"
        elif target in FLOORS and not (
            module.room in FLOORS and FLOORS.index(target) < FLOORS.index(module.room)
        ):
            yield f"{module.name} imports {name}, which is not below it"
        elif module.room != "kegnet_tf":
            behind = name.split(".")[2:3]
            if not {*behind} <= modules[f"kegnet_tf.{target}"].exports.keys():
                yield f"{module.name} imports {name}, which its room does not show"


def private(module):
    """Attributes that are another's own, and imports by a name that is not known before."""
    nodes = [node for node in module.nodes if isinstance(node, (ast.Attribute, ast.Name))]
    used = {ast.unparse(node) for node in nodes}
    own = {ast.unparse(node) for node in nodes if isinstance(node.ctx, ast.Store)}
    own |= {f"self.{node.name}" for node in module.nodes if isinstance(node, ast.FunctionDef)}
    for name in sorted(used - own - NOT_OURS.get(module.name, set())):
        last = name.rpartition(".")[2]
        if "." in name and last.startswith("_") and not last.endswith("__"):
            yield f"{module.name} uses {name}"
        elif last in ("import_module", "__import__", "resolve_name"):
            yield f"{module.name} imports by a name that is not known before it runs"
    for name in module.imports:
        if name.startswith(("keras.src", "tensorflow.python")):
            yield f"{module.name} imports {name}"


def oversized(module):
    """What is longer, or takes more, than design allows."""
    lines = 60 if module.room == "bin" else 250
    if len(module.source.splitlines()) > lines:
        yield f"{module.name} has more than {lines} lines"
    for node in (each for each in module.nodes if isinstance(each, ast.FunctionDef)):
        if node.end_lineno - node.lineno >= 60:
            yield f"{module.name}.{node.name} has more than 60 lines"
        given = node.args
        names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        count = len({*names} - {"self", "cls"}) + bool(given.vararg) + bool(given.kwarg)
        hidden = node.name.startswith("_") and node.name != "__init__"
        if count > (10 if node.name in TRAINS else 8) and not hidden:
            yield f"{module.name}.{node.name} takes {count} parameters"


def offences(modules, names=None):
    """Everything against the rules in modules, by default all."""
    found = []
    for name in names or sorted(modules):
        found += misplaced(modules[name], modules)
        found += private(modules[name])
        found += oversized(modules[name]) if modules[name].room != "configs" else ()
    return found


def test_modules_import_from_below_through_rooms_and_are_of_their_size(house):
    assert offences(house) == []


def test_real_data_stand_behind_one_door_that_nothing_that_learns_can_reach(house):
    found = reaching(house, "datasets") | reaching(house, "tensorflow_datasets")
    assert {name for name in found if room_of(name) != "datasets"} == SEES_DATA


def test_house_has_ten_doors():
    doors = {path.name for path in (ROOT / "kegnet_tf").iterdir()} - {"__pycache__"}
    assert doors == {"__init__.py", *ROOMS, "experiments", "datasets"}
    assert len(doors) <= 10


@pytest.mark.parametrize(
    ("name", "source", "offence"),
    [
        ("extraction.x", "from kegnet_tf import export", "kegnet_tf.export, which is not below it"),
        ("runs.x", "def f():\n    from kegnet_tf import experiments", "which is not below it"),
        ("export.x", "import kegnet_tf.runs.run", "kegnet_tf.runs.run, which is not below it"),
        ("export.x", "from kegnet_tf import run", "kegnet_tf.run, which is not below it"),
        ("export.x", "from kegnet_tf.extraction.training import extract", "room does not show"),
        ("export.x", "from kegnet_tf import teachers\nteachers.graphs.f()", "room does not show"),
        ("runs.x", "from kegnet_tf.datasets import ImageDataset", "ImageDataset: real data"),
        ("experiments.x", "from kegnet_tf import datasets", "kegnet_tf.datasets: real data"),
        ("runs.real_data", "import tensorflow_datasets as tfds", "imports tensorflow_datasets"),
        ("datasets.x", "from kegnet_tf import teachers", "which is not below it"),
        ("synthesis.x", "from kegnet_tf.configs import mnist", "mnist: a preset"),
        ("teachers.x", "from . import heads", "imports relatively"),
        ("teachers.x", "import importlib\nimportlib.import_module('x')", "before it runs"),
        ("teachers.x", "__import__('x')", "before it runs"),
        ("teachers.x", "from keras.src import ops", "imports keras.src"),
        ("teachers.x", "def f(model):\n    model._flatten_layers()", "uses model._flatten_layers"),
        ("teachers.x", "class A(B):\n    def f(self):\n        self._own()", "uses self._own"),
        ("teachers.x", "x = 1\n" * 251, "more than 250 lines"),
        ("teachers.x", "def f():\n" + "    x = 1\n" * 60, "x.f has more than 60 lines"),
        ("teachers.x", "def f(a, b, c, d, e, f, g, *, h, i): ...", "x.f takes 9 parameters"),
        ("teachers.x", "def train(a, b, c, d, e, f, g, h, i, *j, **k): ...", "takes 11 parameters"),
        ("runs.x", "from kegnet_tf import extraction\nextraction.extract()", ""),
        ("runs.x", "from kegnet_tf.configs import base\nfrom kegnet_tf.runs import workdir", ""),
        ("export.x", "import keras\nfrom kegnet_tf.teachers import pretrained", ""),
        ("extraction.x", "from kegnet_tf.extraction.latents import sample", ""),
        ("datasets.x", "import tensorflow_datasets\nfrom kegnet_tf.datasets import uci", ""),
        (
            "teachers.x",
            "class A:\n    def f(self, a, b, c, d, e, f, g, h):\n        self._x = a",
            "",
        ),
        ("teachers.x", "def extract(a, b, c, d, e, f, g, h, i, j): ...\nsuper().__init__()", ""),
    ],
)
def test_made_up_offence_is_found_and_what_is_none_is_let_in(house, name, source, offence):
    name = f"kegnet_tf.{name}"
    found = offences(house | {name: Module(name, source)}, [name])
    assert len(found) == bool(offence)
    assert all(name in each and offence in each for each in found)


@pytest.mark.parametrize(
    "source",
    [
        "from kegnet_tf import runs\nruns.Run()",
        "def f():\n    from kegnet_tf.runs.real_data import dataset",
        "import kegnet_tf",
        "from kegnet_tf import experiments\nexperiments.reproduce()",
        "from kegnet_tf.datasets.arrays import load_arrays",
        "import tensorflow_datasets",
        "from kegnet_tf.synthesis.y import anything",
    ],
)
def test_made_up_way_to_real_data_is_found(house, source):
    made = {"kegnet_tf.synthesis.x": source, "kegnet_tf.synthesis.y": "import kegnet_tf.runs.run"}
    house = house | {name: Module(name, text) for name, text in made.items()}
    found = reaching(house, "datasets") | reaching(house, "tensorflow_datasets")
    assert "kegnet_tf.synthesis.x" in found
    assert "kegnet_tf.synthesis.sources" not in found
