"""Patching: units are carried from a row of one class into a row of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from actspec_bench.methods.intervening.choices import Direction
from actspec_bench.problems.explaining import Aggregate, On
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

Count = Annotated[int, Field(ge=1)]


@method(
    "activation-patching",
    returns="units",
    family="patching",
    needs=("queries",),
    on="margin",
    rows="up to B / 4 to find pairs, then a row for each unit that differs within a pair: at most "
    "n a pair, or 2 n in both directions; on a masked problem n + 2 in all, or 2 n + 2",
    fails="a unit that only acts together with others that stay as they are has no effect: of an "
    "AND that is off altogether, no single unit restores it",
    imports=("actspec_bench.methods.intervening.patching",),
    citation="Vig et al. 2020, arXiv:2004.12265; Meng et al. 2022, arXiv:2202.05262, section 2.1; "
    "Zhang & Nanda 2024, arXiv:2309.16042, section 2",
)
def activation_patching(
    problem: Problem,
    *,
    on: On = "margin",
    direction: Direction = "denoising",
    aggregate: Aggregate = "mean",
) -> Attribution:
    r"""Mean share of the difference between two classes that one patched unit restores.

    Rows of the foreground, then draws of D, are evaluated and split by their decision; each pair
    has one clean row x, with f(x) >= 0, and one corrupt row x', with f(x') < 0, and the
    function is evaluated where one unit is that of the other row:

    .. math::
        a_i = \frac{f(x'_1, \dots, x_i, \dots, x'_n) - f(x')}{D} \text{ (denoising)}, \qquad
        a_i = \frac{f(x) - f(x_1, \dots, x'_i, \dots, x_n)}{D} \text{ (noising)},

    with D the mean of f(x) - f(x') over the pairs. A share of each pair's own difference would
    give pairs that hardly differ as much weight as they have little to tell. Units alike in both
    rows have effect 0 and cost nothing. Where all rows have one decision, those above the middle
    of their values are paired with those below, with a warning. On a masked problem the one pair
    is the input and its blank: n + 2 rows, after which more would buy nothing. Elsewhere the
    budget goes into more pairs. Two rows are evaluated twice: if their values differ, the function
    is noisy, and those of all pairs are evaluated again, since rows that noise made high or low
    are less so the next time, patched or not.

    Parameters
    ----------
    on
        The margin, which is the logit difference of Zhang & Nanda 2024, or the value.
    direction
        Denoising finds what is enough to restore the clean value, noising what is needed to
        keep it; "both" is the mean of the two.
    aggregate
        Over pairs. The default keeps the sign, unlike that of other methods here: all pairs point
        from one class to the other, so that what a unit restores adds up, and what is as often
        lost as restored is no part of the difference.

    Raises
    ------
    NotApplicable
        All values are alike, or differ by noise alone, or the budget does not serve one pair.
    """
    from actspec_bench.methods.intervening.patching import patched_singly

    return patched_singly(problem, on=on, direction=direction, aggregate=aggregate)


@method(
    "activation-patching-groups",
    returns="subsets",
    family="patching",
    needs=("queries",),
    on="margin",
    rows="up to B / 4 to find pairs, a third of the rest for single units, then an eighth of what "
    "remains for each unit added",
    fails="greedy: where the function is a sum of several interactions, a group takes the next "
    "unit of any of them, so that units of several end in one group",
    imports=("actspec_bench.methods.intervening.groups",),
    citation="Vig et al. 2020, arXiv:2004.12265 (greedy selection of units); Zhang & Nanda 2024, "
    "arXiv:2309.16042, section 2; Heimersheim & Nanda 2024 (denoising and noising)",
)
def activation_patching_groups(
    problem: Problem,
    *,
    on: On = "margin",
    direction: Direction = "both",
    share: Annotated[float, Field(gt=0, le=1)] = 0.8,
    groups: Count = 8,
    largest: Count = 8,
    pairs: Count = 128,
) -> Attribution:
    """Groups of units, grown greedily, that restore the difference between two classes together.

    Pairs and effects are those of `activation_patching`. A group starts from the unit with the
    largest effect of its own; the unit that raises the joint effect most is added (if none
    does, the one with the largest effect of its own) until the group restores ``share`` of the
    difference, or has ``largest`` units; if it ends without, it is cut back to where it was best.
    The next group is grown in the same way from the units left, each group patched alone.

    A group is reported once. Its coefficient is its joint effect, as a share of the full
    difference, on other pairs than those that chose it (of a masked problem's one pair, on that).
    ``info["beyond_parts"]`` tells by how much it exceeds the effects of its units, where it was
    grown. Groups end where no unit left has an effect above 0, or the next group's is within two
    standard errors of 0 over the pairs.

    A third of what is left after rows were found is for the single units, which decides how many
    pairs groups are grown on; each further step may spend an eighth of what remains, on as many
    units as this affords, those with the largest effects of their own first. What is not needed to
    end is not spent.

    Parameters
    ----------
    on
        The margin or the value.
    direction
        With "both", the default, a group's effect is the mean of what it restores and what is
        lost without it: denoising alone sees no unit of an AND that is off, noising alone none
        of an OR that is on.
    share
        Of the full difference. More than half of it, which is what one unit of a parity restores
        on average, and where a margin changes sign.
    groups, largest
        Most groups, and most units of a group.
    pairs
        Most pairs to grow groups on, and most to measure them on.

    Raises
    ------
    NotApplicable
        All values are alike, or the budget does not serve one pair.
    """
    from actspec_bench.methods.intervening.groups import grown_groups

    return grown_groups(
        problem,
        on=on,
        direction=direction,
        share=share,
        groups=groups,
        largest=largest,
        pairs=pairs,
    )


@method(
    "attribution-patching",
    returns="units",
    family="patching",
    needs=("gradient",),
    on="margin",
    rows="B, or less if a data set has no more: 1 to evaluate a row, 2 more (one forward, one "
    "backward) if it is corrupt, or any row in both directions; on a masked problem 4 in all, or 6",
    fails="first order: where the function is flat at a row, as behind a saturated or an inactive "
    "unit, effects of patching are missed",
    imports=("actspec_bench.methods.intervening.patching",),
    citation="Nanda 2023, Attribution patching; Syed, Rager & Conmy 2023, arXiv:2310.10348; Kramar "
    "et al. 2024 (AtP*), section 2",
)
def attribution_patching(
    problem: Problem, *, direction: Direction = "denoising", aggregate: Aggregate = "mean"
) -> Attribution:
    r"""First-order estimate of each unit's patching effect: gradient times difference.

    With the pairs of `activation_patching`,

    .. math:: a_i = \frac{\partial f}{\partial x_i}(x') \, \frac{x_i - x'_i}{D},

    with the gradient at the clean row x for noising. Equal to activation patching where the
    function is linear in each single unit, as parities are. A gradient is asked once a row (a
    forward and a backward one), in however many pairs the row is, so the budget goes into more
    rows: as many are evaluated as leave it for the gradient at each corrupt row, or each clean one
    for noising. They are in up to 16,384 pairs, or as many as the larger class has rows; each pair
    more costs no query. Where D is a data set, each row of it is evaluated once, after which more
    would buy nothing; on a masked problem there is one pair.

    Parameters
    ----------
    direction
        Where the gradient is taken: at the corrupt row (denoising), at the clean one, or the
        mean of both.
    aggregate
        Over pairs, as for `activation_patching`.

    Raises
    ------
    NotApplicable
        All values are alike, or the budget does not serve one pair.
    """
    from actspec_bench.methods.intervening.patching import attribution_patching as estimated

    return estimated(problem, direction=direction, aggregate=aggregate)
