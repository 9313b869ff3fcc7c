"""All that a run keeps, each file with its size and SHA-256, in `manifest.json`."""

import contextlib
import json
import pathlib
from collections.abc import Callable, Mapping

from kegnet_tf import export
from kegnet_tf.runs import records
from kegnet_tf.runs.workdir import set_aside, whole, write_json

NAME = "manifest.json"
# Where records stand, beside the files that they speak of.
_FOLDERS = ("initial", "generators", "students", "integers", "figures")
_RECORDS = ("*.json", *(f"{name}/*.json" for name in _FOLDERS))
_EXPORTS = ("export/export.json", "teacher/export.json", "frontier/*/export.json")


def known(folder: pathlib.Path) -> dict[str, dict] | None:
    """Size and SHA-256 of each file, by its path in the folder; None without a whole manifest."""
    try:
        return export.read_sealed(folder / NAME)["files"]
    except (KeyError, OSError, ValueError):
        return None


def spoilt(folder: pathlib.Path) -> list[pathlib.Path]:
    """Files that are missing or not as the manifest says; the manifest, where that one is not.

    TensorBoard's are left out: they are for looking at, and nothing is made of them.
    """
    files = known(folder)
    if files is None:
        return [folder / NAME]
    return [
        folder / name
        for name, found in files.items()
        if not name.startswith("tensorboard/") and not _is(folder / name, found)
    ]


def stands(path: pathlib.Path, files: Mapping[str, dict] | None) -> bool:
    """Whether a file in the run's folder itself is as its manifest says, see `known`."""
    found = (files or {}).get(path.name)
    return bool(found) and _is(path, found)


def keep(folder: pathlib.Path, contents: Mapping[str, str | Callable]) -> None:
    """Writes files that a run makes of what it keeps, and notes them in the manifest.

    A text that stands there already is left alone; a file that no run wrote is set aside.

    Args:
        folder: of the run.
        contents: by name, the text of a file, or a function that writes it to a path.
    """
    files, pending = known(folder), {}
    if files is None and (folder / NAME).exists():
        set_aside("is not as this run wrote it", folder / NAME)
    files = files or {}
    for name, content in contents.items():
        path = folder / name
        done = path.is_file() and not callable(content) and path.read_bytes() == content.encode()
        if path.exists() and not done and not stands(path, files):
            set_aside("is not as this run wrote it", path)
        if not done or name not in files:
            pending[name] = content
    if not pending:
        return
    # The files get their names last: what a kill leaves between the two is made anew.
    with contextlib.ExitStack() as stack:
        for name, content in pending.items():
            partial = stack.enter_context(whole(folder / name))
            content(partial) if callable(content) else partial.write_text(content)
            files[name] = export.fingerprint(partial)
        write_json(folder / NAME, export.sealed({"files": files}))


def seal(folder: pathlib.Path) -> None:
    """Writes the manifest of a finished run: what it noted, and all that records speak of."""
    noted = (known(folder) or {}).items()
    paths = {path for pattern in _RECORDS for path in folder.glob(pattern)}
    kept = {file for path in paths for file in records.files_of(path)}
    kept |= {path for path in (folder / "tensorboard").rglob("events.out.tfevents.*")}
    for pattern in _EXPORTS:
        for path in folder.glob(pattern):
            files = export.ExportRecord.read(path.parent).files
            kept |= {path.parent / name for name in (path.name, *files)}
    names = {path.relative_to(folder).as_posix(): path for path in sorted(kept)}
    top = {name: found for name, found in noted if "/" not in name and _is(folder / name, found)}
    files = top | {name: export.fingerprint(path) for name, path in names.items()}
    write_json(folder / NAME, export.sealed({"files": files}))


def _is(path, found):
    return path.is_file() and export.fingerprint(path) == found


def text_of(content: object) -> str:
    """JSON as `keep` writes it."""
    return json.dumps(content, indent=2) + "\n"
