"""What a run keeps, verified: a record says what a file was made of, and its checksums that it is.

A record is a JSON file with its own SHA-256 in it. It stands beside the files that it speaks of,
and is written before they get their names: whatever moment a process is killed at, a record with
all its files is complete.
"""

import contextlib
import json
import pathlib
from collections.abc import Callable, Mapping

from kegnet_tf.export import fingerprint, read_sealed, sealed
from kegnet_tf.runs.workdir import set_aside, whole, write_json

_KEYS = ("made_of", "files", "sha256")


def write(
    path: pathlib.Path,
    content: Mapping,
    made_of: Mapping,
    files: Mapping[str, Callable[[pathlib.Path], object]],
) -> None:
    """Writes files and their record.

    What stands under their names is set aside, unless it is a record of the same, or a file as its
    record says.

    Args:
        path: of the record, a JSON file.
        content: of the record.
        made_of: what the files depend on, settings and digests, as JSON holds them.
        files: by name, functions that write one to a path.
    """
    _clear(path, made_of, files)
    with contextlib.ExitStack() as stack:
        fingerprints = {}
        for name, save in files.items():
            partial = stack.enter_context(whole(path.with_name(name)))
            save(partial)
            fingerprints[name] = fingerprint(partial)
        write_json(path, sealed({**content, "made_of": made_of, "files": fingerprints}))


def read(path: pathlib.Path, made_of: Mapping | None = None) -> dict | None:
    """The content of a record whose files all are as it says.

    Args:
        path: of the record.
        made_of: what the files must have been made of; None for anything.

    Returns:
        The content; None where there is no such record, where it or a file is not as it was
        written, or was made of something else.
    """
    record = _intact(path)
    if record is None or made_of is not None and record["made_of"] != plain(made_of):
        return None
    for name, found in record["files"].items():
        file = path.with_name(name)
        if not file.is_file() or fingerprint(file) != found:
            return None
    return {key: value for key, value in record.items() if key not in _KEYS}


def amend(path: pathlib.Path, more: Mapping) -> None:
    """Adds to the content of a record that stands."""
    record = _intact(path)
    write_json(path, sealed({**record, **more}))


def remove(path: pathlib.Path) -> None:
    """Removes a record that stands, and its files."""
    for file in reversed(files_of(path)):
        file.unlink()


def files_of(path: pathlib.Path) -> list[pathlib.Path]:
    """The files that a record speaks of, and itself; none where it is not as it was written."""
    record = _intact(path)
    return [path, *map(path.with_name, record["files"])] if record else []


def _intact(path):
    """A record as it was written; None where it is not."""
    try:
        record = read_sealed(path)
    except (OSError, ValueError):
        return None
    return record if {*_KEYS} <= record.keys() else None


def _clear(path, made_of, files):
    """Sets aside what stands under the names of a record and its files, and is not the same."""
    record = _intact(path)
    found = [each for each in (path, *map(path.with_name, files)) if each.exists()]
    if record and (differs := difference(record["made_of"], plain(made_of))):
        set_aside(f"and what belongs to it are of other settings ({differs})", *found)
        return
    known = record["files"] if record else {}
    for each in found:
        ours = record if each == path else fingerprint(each) == known.get(each.name)
        if not ours:
            set_aside("is not as this run writes it", each)


def difference(before: Mapping, now: Mapping) -> str:
    """The first setting that differs: "KEY is A, not B"; "" where none does.

    Args:
        before: nested dictionaries, as JSON holds them.
        now: others.
    """
    before, now = flat(before), flat(now)
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            return f"{key} is {before.get(key)!r}, not {now.get(key)!r}"
    return ""


def plain(content: Mapping) -> dict:
    """As JSON gives it back: tuples are lists."""
    return json.loads(json.dumps(dict(content)))


def flat(tree: object, prefix: str = "") -> dict[str, object]:
    """The leaves of nested dictionaries by dotted name."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    dot = f"{prefix}." if prefix else ""
    return {key: leaf for name in tree for key, leaf in flat(tree[name], dot + name).items()}
