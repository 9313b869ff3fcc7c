"""A finished run, opened again to export its students."""

import dataclasses
import pathlib
import textwrap
from collections.abc import Mapping

import ml_collections

from kegnet_tf import teachers
from kegnet_tf.runs import export_folder, exporting, manifest, rival
from kegnet_tf.runs.claiming import read_identity
from kegnet_tf.runs.report import Report


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a finished run left in its folder.

    Attributes:
        config: its preset.
        teacher_digest: of its teacher's weights.
        report: the content of `report.json`, its exports apart.
    """

    config: ml_collections.ConfigDict
    teacher_digest: str
    report: Report


def opened(
    kind: type,
    workdir: pathlib.Path,
    overrides: Mapping[str, object],
    data,
    loading: teachers.Loading | None,
):
    """The run of `Run.open`, whose arguments these are.

    Args:
        kind: `Run`, or a class made from it.
        workdir: of a finished run.
        overrides: by dotted key.
        data: where real data come from; None for the preset's.
        loading: how models are read; None for `teachers.Loading()`.
    """
    found = read(workdir)
    override(found.config, overrides)
    path = workdir / "students" / f"{exporting.choose(found.report.students).stem}.keras"
    loading = dataclasses.replace(loading or teachers.Loading(), output="logits")
    run = kind(found.config, workdir, teacher=path, data=data, loading=loading)
    run.teacher_digest = found.teacher_digest
    run.measured, run.rivals = found.report, rival.teacher_files(workdir)
    return run


def read(workdir: pathlib.Path) -> Finished:
    """Reads a finished run.

    Raises:
        ValueError: if the folder holds none, or one that another version made.
    """
    try:
        identity = read_identity(workdir)
        missing = [f"{path} is missing or not as it was written" for path in _spoilt(workdir)]
        if not missing:
            config = ml_collections.ConfigDict(identity["config"])
            report = Report.read(workdir)
            if report.label_names:  # which may be those of folders that are not at hand
                config.data.label_names = report.label_names
            bare = dataclasses.replace(report, exports=[], rivals=[], recommendation=None)
            return Finished(config, identity["teacher"], bare)
    except (AttributeError, KeyError, OSError, TypeError) as error:
        missing = [" ".join(str(error).split())]
    raise ValueError(
        "`workdir` must hold a finished run of kegnet, which the command that made it mends. "
        f"Received: {workdir} ({missing[0]})."
    )


def _spoilt(workdir):
    """Files of a run that are not as it left them; those of its exports do not matter here."""
    return [
        path
        for path in manifest.spoilt(workdir)
        if not any(export_folder.is_own(folder, workdir) for folder in path.parents)
    ]


def override(
    config: ml_collections.ConfigDict, settings: Mapping[str, object], argument: str = "config"
) -> None:
    """Puts settings in place of a run's own.

    Args:
        config: its preset.
        settings: by dotted key, such as "export.headroom".
        argument: what a refusal calls them.

    Raises:
        ValueError: if a key or the type of a value is not the preset's.
    """
    teachers.rules.mapping(argument, settings)
    config.lock()
    try:
        config.update_from_flattened_dict(dict(settings))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        reason = textwrap.shorten(str(error), 300)
        raise ValueError(
            f"`{argument}` must be overridden by keys that it has. Received: {reason}."
        ) from error
