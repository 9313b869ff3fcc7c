"""A finished run, opened again to export its students."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping

import ml_collections

from kegnet_tf.configs import base
from kegnet_tf.runs.report import Report
from kegnet_tf.runs.workdir import read_identity


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a finished run left in its folder.

    Attributes:
        config: its preset.
        teacher_digest: of its teacher's weights.
        report: the content of `report.json`.
    """

    config: ml_collections.ConfigDict
    teacher_digest: str
    report: Report


def read(workdir: pathlib.Path) -> Finished:
    """Reads a finished run.

    Raises:
        ValueError: if the folder holds none, or one that another version made.
    """
    try:
        identity = read_identity(workdir)
        config = ml_collections.ConfigDict(identity["config"])
        defaults = base.get_config()
        config.update(arms=defaults.arms, num_seeds=defaults.num_seeds)
        found = Finished(config, identity["teacher"], Report.read(workdir))
        files = [workdir / "generators" / f"{i}.keras" for i in range(config.num_generators)]
        missing = [str(path) for path in files if not path.exists()]
    except (AttributeError, KeyError, OSError, TypeError, json.JSONDecodeError) as error:
        missing = [" ".join(str(error).split())]
    if missing:
        raise ValueError(
            f"`workdir` must hold a finished run of kegnet. Received: {workdir} ({missing[0]})."
        )
    return found


def override(config: ml_collections.ConfigDict, settings: Mapping[str, object]) -> None:
    """Puts settings in place of a run's own.

    Args:
        config: its preset.
        settings: by "export.KEY".

    Raises:
        ValueError: if a key or the type of a value is not the preset's.
    """
    config.lock()
    try:
        config.update_from_flattened_dict(dict(settings))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"`config` must be overridden by keys that it has. Received: {error}."
        ) from error
