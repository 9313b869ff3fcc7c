"""`.keras` files of anybody's, looked through before Keras reads them.

A file may name what Keras has in layers and what those are made of, and what the user has
registered, and may hold weights for them. Code, paths of other files and what no memory can hold
are refused before anything is made of it, by whatever version of Keras.
"""

import contextlib
import io
import json
import math
import os
import pathlib
import stat
import textwrap
import zipfile

import h5py
import keras
import psutil

# Rooms of Keras with what layers are made of, classes and functions.
_FUNCTIONS = ("activations", "constraints", "initializers", "losses", "metrics", "ops", "random")
_CLASSES = (*_FUNCTIONS, "dtype_policies", "layers", "models", "optimizers", "quantizers")
_CLASSES += ("regularizers",)
# Layers that are code, or lead to some.
_CODE = ("FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper")
_DATA = ("__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__")
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_LONGEST = 2**24  # bytes of the configuration
# Layers; Keras reads those of one Sequential in time that grows with their square.
_MOST, _MOST_IN_SEQUENCE = 2000, 300
_UNSAVED = 2**20  # numbers of a model that its file may lack, such as the seeds of dropout
_ELSEWHERE = "hold all of its weights, and no paths of other files"


def read(
    path: str | os.PathLike, *, argument: str = "teacher", safe_mode: bool = True
) -> keras.Model:
    """The model of a `.keras` file, not compiled.

    Args:
        path: of the file.
        argument: what a refusal calls it.
        safe_mode: False allows a file with Lambda layers and the like, and so runs what code the
            file holds.

    Raises:
        ValueError: if the file is not whole, holds something else, or more than memory does.
    """
    rule, reason = "be a complete .keras file of a model", ""
    try:
        numbers = _check(pathlib.Path(path), safe_mode)
        with _weights_at_most(2 * numbers + _UNSAVED):
            model = keras.saving.load_model(path, compile=False, safe_mode=safe_mode)
        if not isinstance(model, keras.Model):
            raise TypeError(f"it holds a {type(model).__name__}")
    except _RefusedError as refused:
        (rule, reason), error = refused.args, refused
    except Exception as broken:  # a broken file can make Keras raise anything
        error, reason = broken, first_sentence(broken)
        if "Could not locate" in reason:
            rule = "hold only what Keras knows or --custom_objects=module:Name names"
    else:
        return model
    raise ValueError(f"`{argument}` must {rule}. Received: {path} ({reason}).") from error


def first_sentence(error: Exception) -> str:
    """The first sentence of what went wrong innermost."""
    text = str(error).rpartition("Exception encountered: ")[2]
    return textwrap.shorten(text, 200).split(". ")[0].rstrip(".") or type(error).__name__


class _RefusedError(ValueError):
    """A rule, and what broke it."""


def _check(path, safe_mode):
    """How many numbers a file's weights are; raises if it must not be read."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe or a device may never end
        raise ValueError("it is no regular file")
    if path.suffix != ".keras":  # by which Keras chooses among its readers
        raise ValueError("its name does not end in .keras")
    with zipfile.ZipFile(path) as file:
        _check_members(file.infolist())
        _check_config(json.loads(file.read(_CONFIG)), safe_mode)
        return _check_weights(file.read(_WEIGHTS))


def _check_members(members):
    names = [member.filename for member in members]
    if len({*names}) < len(names) or any(
        ".." in pathlib.PurePath(name).parts or name.startswith("/") or "\\" in name
        for name in names
    ):
        raise ValueError("its parts are not named as Keras names them")
    sizes = {member.filename: member.file_size for member in members}
    if sizes.get(_CONFIG, 0) > _LONGEST:
        raise _RefusedError(f"have a configuration of {_LONGEST} bytes at most", sizes[_CONFIG])
    # Once as it lies in the file, and as variables.
    _check_memory(3 * sum(sizes.values()))


def _check_memory(needed):
    free = psutil.virtual_memory().available
    if needed > free:
        raise _RefusedError("fit in memory", f"{needed:.3g} bytes, {free:.3g} are free")


def _check_config(config, safe_mode):
    waiting, layers, squares = [config], 0, 0
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, list):
            waiting.extend(entry)
        elif isinstance(entry, dict):
            waiting.extend(entry.values())
            found = entry.get("layers")
            count = len(found) if isinstance(found, list) else 0
            layers += count
            squares += count**2 if "input_layers" not in entry else 0
            if layers > _MOST or squares > _MOST_IN_SEQUENCE**2:
                rule = f"have {_MOST} layers at most, {_MOST_IN_SEQUENCE} in a row"
                raise _RefusedError(rule, f"{layers} layers")
            if safe_mode:
                _check_entry(entry)


def _check_entry(entry):
    """Refuses an entry of a configuration that leads to code, or out of the file."""
    if isinstance(entry.get("vocabulary"), str):
        raise _RefusedError(_ELSEWHERE, entry["vocabulary"])
    name = entry.get("class_name")
    if name is None or name in _DATA:
        return
    is_function = name == "function"
    name, module = entry.get("config") if is_function else name, entry.get("module") or "builtins"
    registered = name if is_function else entry.get("registered_name") or name
    if not all(isinstance(each, str) for each in (name, registered, module)):
        raise ValueError(f"{textwrap.shorten(str(name), 50)} is no name")
    own = entry["config"].get("name") if isinstance(entry.get("config"), dict) else None
    if isinstance(own, str) and ({*own} & {*"/\\\0"} or own in ("", ".", "..")):
        raise _RefusedError("name its layers, and no paths of other files", repr(own))
    if name.rpartition(".")[2] in (*_CODE, "__lambda__"):
        kind = "Lambda" if name == "__lambda__" else name.rpartition(".")[2]
        rule = f"hold no {kind} layers, unless --nosafe_mode lets code from the file run"
        raise _RefusedError(rule, "code")
    if keras.saving.get_registered_object(registered) is not None:
        return
    package, *rest = module.split(".")
    if package not in ("builtins", "keras"):
        rule = "hold only what Keras knows or --custom_objects=module:Name names"
        raise _RefusedError(rule, f"Could not locate class {name!r}")
    room = next((each for each in rest if each != "src"), "")
    # Classes begin with a capital: functions of these rooms load files. Keras' own
    # architectures bring layers along, in modules of which Keras takes nothing but classes.
    if is_function:
        fits = package == "builtins" or room in _FUNCTIONS
    else:
        fits = name[:1].isupper() and (
            room in ("", *_CLASSES) or module.startswith("keras.src.applications.")
        )
    if not (fits and name.isidentifier()):
        raise _RefusedError("hold only layers, and what they are made of", f"{module}.{name}")


def _check_weights(content):
    """How many numbers an HDF5 file declares; raises if any of them lie elsewhere, or nowhere."""
    numbers = needed = 0
    with h5py.File(io.BytesIO(content)) as file:
        waiting, seen = [file], set()
        while waiting:
            item = waiting.pop()
            if item in seen:
                continue
            seen.add(item)
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise _RefusedError(_ELSEWHERE, item.name)
                # More is in no compressed array that anything was ever learned in.
                if item.nbytes > 1000 * item.id.get_storage_size() + _UNSAVED:
                    raise ValueError(f"{item.name} declares more than there is")
                numbers, needed = numbers + item.size, needed + item.nbytes
            elif isinstance(item, h5py.Group):
                if any(type(item.get(name, getlink=True)) is not h5py.HardLink for name in item):
                    raise _RefusedError(_ELSEWHERE, f"a link in {item.name}")
                waiting.extend(item.values())
    _check_memory(3 * needed)
    return numbers


@contextlib.contextmanager
def _weights_at_most(count):
    """Lets layers make so many numbers in all: a file that asks for more has none to put there."""
    add_weight, made = keras.layers.Layer.add_weight, 0

    def counted(layer, shape=None, *args, **kwargs):
        nonlocal made
        made += math.prod(size or 1 for size in shape) if isinstance(shape, tuple | list) else 1
        if made > count:
            raise ValueError("its layers ask for more weights than it holds")
        return add_weight(layer, shape, *args, **kwargs)

    keras.layers.Layer.add_weight = counted
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = add_weight
