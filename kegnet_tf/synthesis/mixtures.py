"""What a source is made of, and what it can be given."""

from collections.abc import Mapping, Sequence

import numpy as np

from kegnet_tf import extraction
from kegnet_tf.teachers import rules

PURE = ("uniform", "gaussian", "heavy_tailed", "procedural", "kegnet", "unlabeled")
SOURCES = (*PURE, "kegnet+")
MIXTURE = f"give shares, 0 or more, not all 0, of {', '.join(PURE)}"


def check_source(
    labels: str = "uniform",
    class_prior: Sequence[float] = (),
    batch_statistics: bool = False,
    balanced: bool = False,
    mixture: Mapping[str, float] | None = None,
) -> None:
    """Refuses what no source can be given, whatever its teacher.

    Args:
        labels: as for a `Source`, and so are the others.
        class_prior: same as above.
        batch_statistics: same as above.
        balanced: same as above.
        mixture: same as above.

    Raises:
        ValueError: if a value is unknown, of another kind or outside its range.
    """
    extraction.check_labels(labels, class_prior)
    rules.flag("batch_statistics", batch_statistics)
    rules.flag("balanced", balanced)
    if mixture is not None:
        _check_mixture(mixture)


def _check_mixture(mixture):
    rules.mapping("mixture", mixture)
    for source, share in mixture.items():
        if source not in PURE or not (rules.is_number(share) and 0 <= share <= rules.MOST):
            raise rules.refusal("mixture", MIXTURE, mixture)


def shares_of(
    name: str, mixture: Mapping[str, float] | None, images: bool, unlabeled: bool = False
) -> dict[str, float]:
    """Share of each source that a source by its name is made of.

    Args:
        name: one of `SOURCES`.
        mixture: for "kegnet+": share of each source, in any unit.
        images: whether the teacher expects images.
        unlabeled: whether there are data for "unlabeled". Without any, a mixture has no share of
            them; with some, it has one of 1 unless it gives another.

    Returns:
        Fractions by source, in all 1.

    Raises:
        ValueError: if `name` or one in `mixture` is unknown, or a share is no number of 0 or more,
            or none is above 0; if there is nothing for "unlabeled".
    """
    rules.choice("source", name, SOURCES)
    shares = {name: 1.0}
    if name == "kegnet+":
        mixture = {} if mixture is None else mixture
        _check_mixture(mixture)
        given = {"unlabeled": 1.0, **mixture} if unlabeled else {**mixture, "unlabeled": 0.0}
        shares = {source: share for source, share in given.items() if share}
        if not images and "procedural" in shares:
            shares["heavy_tailed"] = shares.get("heavy_tailed", 0.0) + shares.pop("procedural")
        if not shares:
            raise rules.refusal("mixture", MIXTURE, mixture)
        shares = {source: share / sum(shares.values()) for source, share in shares.items()}
    if name == "unlabeled" and not unlabeled:
        raise ValueError(
            f"`source` must be another than {name!r} without `unlabeled` data. Received: {name!r}."
        )
    if "procedural" in shares and not images:
        raise ValueError(f"`source` must be another than {name!r} for a table. Received: {name!r}.")
    return shares


def check_unlabeled(unlabeled: np.ndarray, shape: Sequence[int]) -> None:
    """Refuses what is no array of a teacher's inputs.

    Args:
        unlabeled: as for a `Source`.
        shape: of one example.

    Raises:
        ValueError: if so.
    """
    found = np.shape(unlabeled)
    if found[1:] != tuple(shape) or not found[0] or np.result_type(unlabeled) != np.float32:
        sizes = ", ".join(map(str, ("size", *shape)))
        raise ValueError(
            f"`unlabeled` must be float32 of shape [{sizes}]. "
            f"Received: {np.result_type(unlabeled)} of shape {found}."
        )
