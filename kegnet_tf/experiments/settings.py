import dataclasses
from collections.abc import Callable, Mapping, Sequence

import ml_collections

from kegnet_tf import runs, synthesis
from kegnet_tf.experiments import paper
from kegnet_tf.experiments.cells import REAL
from kegnet_tf.teachers import rules

RATIOS = (1.5, 2.0)  # of a panel's students: what a network of phones bears; ours
# Beside the tables of the paper, for an ablation or a panel.
OTHERS = ("cifar10", "cifar10_mobilenet")


@dataclasses.dataclass(frozen=True)
class ReproduceSettings:
    """Which cells of the paper's tables are made.

    Attributes:
        table: 2 or 3; 0 to go by `dataset`.
        dataset: a preset of the tables; "" for all of `table` for which a teacher ships.
        quick: whether the presets are taken in their short form.
        recipe: "plus" for the presets' kegnet+, "paper" for the paper's losses and arms.
        authors: whether the budget is the paper's as well, see `paper.budget`.
        overrides: settings in place of the presets' own, by dotted key.
        students: names among the presets'; empty for all.
        arms: rows of the table; empty for the presets' own; in an ablation, for their last.
        seeds: students for each name and arm.
        ablation: whether the lines of an ablation are compared in place of the arms.
        teacher: path of a `.keras` classifier for `dataset`; "" for the one that ships.
        panel: paths of several, "shipped" for the one that ships, whose students are compared.
        ratios: of a panel's students, whatever their layers are called.
    """

    table: int = 0
    dataset: str = ""
    quick: bool = False
    recipe: str = "plus"
    authors: bool = False
    overrides: Mapping[str, object] = dataclasses.field(default_factory=dict)
    students: Sequence[str] = ()
    arms: Sequence[str] = ()
    seeds: int = 5
    ablation: bool = False
    teacher: str = ""
    panel: Sequence[str] = ()
    ratios: Sequence[float | str] = RATIOS

    def check(self, data: runs.DataOptions) -> None:
        """Refuses settings that are of another kind, unknown, or contradict each other.

        Args:
            data: where real data come from.

        Raises:
            ValueError: if so.
        """
        rules.choice("recipe", self.recipe, ("plus", "paper"))
        for name in ("quick", "authors", "ablation"):
            rules.flag(name, getattr(self, name))
        rules.mapping("overrides", self.overrides)
        rules.distinct("arms", self.arms, ("tucker", *synthesis.SOURCES, REAL))
        rules.whole("seeds", self.seeds, most=1000)
        if self.authors and self.quick:
            raise ValueError("`paper` must come without `quick`. Received: both.")
        if self.authors and self.dataset in OTHERS:
            rule = "come with a data set of the paper's"
            raise rules.refusal("paper", rule, self.dataset)
        if self.panel:
            self._check_panel()
        if (self.teacher or data.eval_data) and not self.dataset:
            given = "teacher" if self.teacher else "eval_data"
            raise ValueError(f"`{given}` must come with `dataset`. Received: none.")
        if data.unlabeled:
            rule = "be empty: what the tables compare learns without data"
            raise rules.refusal("unlabeled", rule, data.unlabeled)

    def _check_panel(self):
        for name in ("teacher", "students", "ablation", "authors"):
            if getattr(self, name):
                raise ValueError(f"`panel` must come without `{name}`. Received: both.")
        if not self.dataset:
            raise ValueError("`panel` must come with `dataset`. Received: none.")

    @property
    def datasets(self) -> Sequence[str]:
        """Names of the data sets.

        Raises:
            ValueError: if they are not the paper's.
        """
        table, dataset = self.table, self.dataset
        if table not in (0, *paper.TABLES):
            raise ValueError(f"`table` must be 2 or 3. Received: {table}.")
        if not (table or dataset):
            raise ValueError("`table` must be 2 or 3, or `dataset` be given. Received: neither.")
        known = [name for number in paper.TABLES for name in paper.TABLES[number]]
        known += OTHERS if self.ablation or self.panel else ()
        known = paper.TABLES.get(table, known)
        if dataset and dataset not in known:
            raise ValueError(f"`dataset` must be among {', '.join(known)}. Received: {dataset!r}.")
        return [dataset] if dataset else known

    def configured(
        self, name: str, get_config: Callable[[str], ml_collections.ConfigDict]
    ) -> ml_collections.ConfigDict:
        """The configuration of one data set.

        Args:
            name: of the data set.
            get_config: of its preset.

        Raises:
            ValueError: if the preset lacks what is overridden.
        """
        paper_recipe = self.authors or self.recipe == "paper"
        config = get_config(",".join(["quick"] * self.quick + ["paper"] * paper_recipe))
        config.lock()
        overrides = (paper.budget(name) if self.authors else {}) | dict(self.overrides)
        try:
            config.update_from_flattened_dict(overrides)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                f"`config` must be overridden by what {name!r} has. Received: {error}."
            ) from error
        own = config.arms[-1:] if self.ablation else config.arms
        config.arms = tuple(self.arms) or tuple(own)
        return config
