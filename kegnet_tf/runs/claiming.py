"""Whose a run's folder is, and whether what stands there goes with the settings of today."""

import logging
import pathlib
from collections.abc import Mapping

from kegnet_tf.runs import lock, manifest, records
from kegnet_tf.runs.workdir import read_json

LAYOUT = 3  # of what a run's folder holds; in `config.json`, so that another one is refused
# What of a configuration generators depend on.
EXTRACTION = ("seed", "generator", "dense_generator", "decoder", "extraction", "devices")
_CONFIG = "config.json"
logger = logging.getLogger(__name__)


def check(folder: pathlib.Path, identity: Mapping) -> None:
    """Refuses a folder that a run must not write to; nothing is written.

    A run may follow another one with other settings, as long as no generator has been trained with
    the old ones: students, pictures and exports are made anew where theirs changed, and what was
    there is set aside.

    Args:
        folder: path.
        identity: what the results depend on: "config", nested dictionaries, and digests.

    Raises:
        ValueError: if the folder is another run's, or nobody's and not empty.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"`workdir` must be a folder. Received: {folder}, which is a file.")
    config, files = folder / _CONFIG, manifest.known(folder)
    if not config.exists() and files is None:
        _check_empty(folder)
    elif config.exists() and not _spoilt(config, files):
        difference = records.difference(*_compared(folder, read_identity(folder), identity))
        if difference:
            raise ValueError(
                "`workdir` must be new or hold a run of this configuration. "
                f"Received: {folder}, where {difference}."
            )


def claim(folder: pathlib.Path, identity: Mapping) -> None:
    """Makes `folder` the place of one run, which its `config.json` identifies.

    Args:
        folder: path.
        identity: as in `check`; `LAYOUT` is added.

    Raises:
        ValueError: as `check`.
    """
    check(folder, identity)
    config = folder / _CONFIG
    if config.exists() and not _spoilt(config, manifest.known(folder)):
        before = records.flat(read_identity(folder)["config"])
        now = records.flat(records.plain(identity)["config"])
        changes = [
            f"{key} is {now.get(key)!r}, was {before.get(key)!r}"
            for key in sorted(before.keys() | now.keys())
            if before.get(key) != now.get(key)
        ]
        if changes:
            logger.info("Settings that changed: %s.", "; ".join(changes))
    manifest.keep(folder, {_CONFIG: manifest.text_of({"layout": LAYOUT, **identity})})


def begun(folder: pathlib.Path) -> bool:
    """Whether generators were trained in a folder, or began to be."""
    patterns = "*.json", "*.backup.npz"
    return any(any((folder / "generators").glob(pattern)) for pattern in patterns)


def read_identity(folder: pathlib.Path) -> dict:
    """What `claim` wrote to a folder.

    Raises:
        OSError: if nothing was claimed there.
        ValueError: if another version did it, or the file is not as it was written.
    """
    identity = read_json(folder / _CONFIG)
    layout = identity.get("layout", 1) if isinstance(identity, dict) else 1
    if layout != LAYOUT:
        raise ValueError(
            f"`workdir` must be new or hold a run of this version of kegnet_tf. Received: {folder}"
            f", made by {'an older' if layout < LAYOUT else 'a newer'} one."
        )
    return identity


def _check_empty(folder):
    ours = (*lock.FILES, "partial-")  # the last ones are those of a run that was killed at once
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith(ours))
    if others:
        raise ValueError(
            "`workdir` must be new or empty, or hold a run. "
            f"Received: {folder}, which holds {others[0]} and no {_CONFIG}."
        )


def _spoilt(config, files):
    """Whether a manifest tells that `config.json` is not as it was written."""
    return files is not None and not manifest.stands(config, files)


def _compared(folder, before, now):
    """(before, now) of what must not differ."""
    trained, sides = begun(folder), []
    for identity in (before, {"layout": LAYOUT, **records.plain(now)}):
        side = {key: value for key, value in identity.items() if key != "config"}
        if trained:
            config = identity["config"]
            side["config"] = {key: config.get(key) for key in EXTRACTION}
        sides.append(side)
    return sides
