"""What a student is asked to be: how far its layers are squeezed, and which of them."""

import dataclasses
import re
from collections.abc import Mapping, Sequence

from kegnet_tf.compression import ranks as rank_policies
from kegnet_tf.teachers import rules

STARTS = ("hooi", "svd", "random")
# Of the whole model; at most one of these, `ranks` and `energy` is given.
TARGETS = ("target_ratio", "target_macs", "target_kb", "target_latency")


@dataclasses.dataclass(frozen=True)
class Policy:
    """How `compress` makes a student; what is None is not asked for.

    At most one of `ranks`, `energy` and the targets is given; none means `ranks="vbmf"`. A target
    is reached with the ranks that make the product of the kernels' kept shares of squared norm
    largest among those that it allows.

    Attributes:
        ranks: "vbmf", a fraction of the channels in (0, 1] or a pair (in, out), each in [1,
            channels]; one for all candidates, or a dict by name.
        energy: share in (0, 1] of the squared singular values that each channel unfolding keeps.
        target_ratio: at least 1; trainable parameters of the model over those of the student, where
            no layer is frozen. Reached from above.
        target_macs: in (0, 1]; multiply-adds of the student over those of the model. Reached from
            below.
        target_kb: of the student's int8 LiteRT file of one example at a time, above 0, in units of
            1,000 bytes, by an estimate that may be some percent off.
        target_latency: in (0, 1]; time of one example in float32 over that of the model, both as
            LiteRT files on one thread of this machine. A student made so differs from machine to
            machine, and from time to time.
        layers: names of the candidates; None or () for all.
        skip: names of candidates to leave alone.
        start: where the student's weights come from: "hooi" for the model's, decomposed by
            higher-order orthogonal iteration; "svd" for the same without iterations; "random" for
            every layer's own initialisers, with BatchNorm as of a new model.
        seed: integer of a random start.

    Raises:
        ValueError: if more than one is given of those of which one may be, or a value is of another
            kind or outside its range.
    """

    ranks: str | float | Sequence[int] | Mapping | None = None
    energy: float | None = None
    target_ratio: float | None = None
    target_macs: float | None = None
    target_kb: float | None = None
    target_latency: float | None = None
    layers: str | Sequence[str] | None = ()
    skip: str | Sequence[str] | None = ()
    start: str = "hooi"
    seed: int = 0

    def __post_init__(self):
        rules.choice("start", self.start, STARTS)
        rules.whole("seed", self.seed, 0)
        one = ("ranks", "energy", *TARGETS)
        given = [value for name in one if (value := getattr(self, name)) is not None]
        if len(given) > 1:
            names = ", ".join(f"`{name}`" for name in one)
            received = ", ".join(map(repr, given))
            raise ValueError(f"At most one of {names} must be given. Received: {received}.")
        for name in ("layers", "skip"):
            if (patterns := getattr(self, name)) is not None:
                patterns = [patterns] if isinstance(patterns, str) else patterns
                rules.entries(name, patterns)
                for pattern in patterns:
                    _check_pattern(name, pattern)
        self._check_targets()
        if self.energy is not None:
            rank_policies.check_share("energy", self.energy, "lie in")
        if isinstance(self.ranks, Mapping):
            rules.entries("ranks", list(self.ranks), 1)
            for name in self.ranks:
                _check_pattern("ranks", name)
        policies = self.ranks.values() if isinstance(self.ranks, Mapping) else [self.ranks]
        for policy in policies if self.ranks is not None else ():
            rank_policies.check_ranks(policy)

    @property
    def target(self) -> str:
        """Name of the target that is given, or ""."""
        return next((name for name in TARGETS if getattr(self, name) is not None), "")

    def _check_targets(self):
        ratio = self.target_ratio
        if ratio is not None and not (rules.is_number(ratio) and ratio >= 1):
            raise rules.refusal("target_ratio", "lie in [1, what the layers allow]", ratio)
        if self.target_kb is not None:
            rules.positive("target_kb", self.target_kb)
        for name in ("target_macs", "target_latency"):
            if (value := getattr(self, name)) is not None:
                rank_policies.check_share(name, value, "lie in")


def _check_pattern(argument, pattern):
    rules.text(argument, pattern)
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        rule = f"name layers, by themselves or by regular expressions ({error})"
        raise rules.refusal(argument, rule, pattern) from error
