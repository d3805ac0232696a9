"""Interaction indices of the game of a row, by the estimators of the optional library shapiq."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from actspec_bench.problems.explaining import Aggregate, On
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

IMPORTS = ("actspec_bench.methods.playing.indices",)
CALLS = "shapiq 1.4 or newer (MIT)"
Order = Annotated[int, Field(ge=1, le=4)]


@method(
    "kernelshap-iq",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("queries",),
    on="margin",
    rows="R C for R rows and C coalitions: C = B / R of 2 K or more, K the interactions listed",
    fails="lists all K interactions: with fewer coalitions than these it is not run, and from "
    "about 90 units on, in pairs, they are too many",
    calls=CALLS,
    citation="Fumagalli et al. 2024, KernelSHAP-IQ, arXiv:2405.10852, algorithm 1",
    imports=IMPORTS,
    extra="shapiq",
)
def kernelshap_iq(
    problem: Problem,
    *,
    order: Order | None = None,
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    r"""Shapley interaction index by one weighted regression a size, on the residuals of the last.

    The game of a row x of the foreground is :math:`v(T) = f(x_T, b_{\bar T})`, b the baseline,
    and the index of S, with discrete derivatives
    :math:`\Delta_S v(T) = \sum_{L \subseteq S} (-1)^{|S| - |L|} v(T \cup L)`,

    .. math:: \mathrm{SII}(S) = \sum_{T \subseteq [n] \setminus S}
        \frac{(n - |T| - |S|)!\, |T|!}{(n - |S| + 1)!} \Delta_S v(T),

    for one unit its Shapley value. An interaction has the aggregate of its values in the rows
    explained, even if that is one row: without signs, unless the mean is asked for. As many rows
    are explained as can have two coalitions for each interaction listed: with fewer the equations
    are hardly determined, and rows differ more than more of them would help. At 2^n coalitions,
    all that there are, the index is exact and more buy nothing; nor are more drawn than 1 GiB of
    equations holds, 14,000 of 64 units in pairs.

    Parameters
    ----------
    order
        Largest subset; 1 gives Shapley values. If not given, the largest up to 4 for which
        one row has coalitions in plenty, and 2 at least.
    on
        What is attributed; their authors explain the model's output.
    aggregate
        Of the rows explained, one too; see `explaining.aggregated`.
    """
    from actspec_bench.methods.playing.indices import estimated

    return estimated(problem, "kernelshap-iq", order=order, on=on, aggregate=aggregate)


@method(
    "svarm-iq",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("queries",),
    on="margin",
    rows="R C for R rows and C coalitions: C = B / R of 8 K or more, K the interactions listed",
    fails="its time grows as n^3 C in pairs: from about 40 units on it is not run; noisy where "
    "strata have few coalitions",
    calls=CALLS,
    citation="Kolpaczki et al. 2024, SVARM-IQ, arXiv:2401.13371, algorithm 1",
    imports=IMPORTS,
    extra="shapiq",
)
def svarm_iq(
    problem: Problem,
    *,
    order: Order | None = None,
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    r"""Shapley interaction index by means over coalitions of one size and intersection with S.

    The game, the index and the rows are those of `kernelshap_iq`; each coalition serves every
    interaction, in the stratum of its size and of the part of S that it holds. It takes 8
    coalitions an interaction before another row, and no more in all than 20 seconds of computing
    allow, by measured costs.

    Parameters
    ----------
    order
        Largest subset; 1 gives Shapley values. If not given, the largest up to 4 for which
        one row has coalitions in plenty, and 2 at least.
    on
        What is attributed; their authors explain the model's output.
    aggregate
        Of the rows explained, one too; see `explaining.aggregated`.
    """
    from actspec_bench.methods.playing.indices import estimated

    return estimated(problem, "svarm-iq", order=order, on=on, aggregate=aggregate)


@method(
    "regression-fsii",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("queries",),
    on="margin",
    rows="R C for R rows and C coalitions: C = B / R of 2 K or more, K the interactions listed",
    fails="spreads what is of higher order than it is told over the smaller subsets within; limits "
    "of size as of kernelshap-iq",
    calls=CALLS,
    citation="Tsai, Yeh & Ravikumar 2023, Faith-Shap, arXiv:2203.00870, theorem 19",
    imports=IMPORTS,
    extra="shapiq",
)
def regression_fsii(
    problem: Problem,
    *,
    order: Order | None = None,
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    r"""Faithful Shapley interaction index: the best game of limited order, in Shapley's weights.

    The values :math:`\phi_S`, :math:`|S| \le` order, that minimise

    .. math:: \sum_T \mu(T) \Bigl( v(T) - \sum_{S \subseteq T} \phi_S \Bigr)^2, \qquad
        \mu(T) \propto \frac{n - 1}{\binom{n}{|T|} |T| (n - |T|)},

    exact for the empty and the full coalition, over the coalitions drawn, for the game and the
    rows of `kernelshap_iq`.

    Parameters
    ----------
    order
        As for `kernelshap_iq`; 1 gives Shapley values, by KernelSHAP.
    on
        What is attributed; their authors explain the model's output.
    aggregate
        Of the rows explained, one too; see `explaining.aggregated`.
    """
    from actspec_bench.methods.playing.indices import estimated

    return estimated(problem, "regression-fsii", order=order, on=on, aggregate=aggregate)


@method(
    "regression-fbii",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("queries",),
    on="margin",
    rows="R C for R rows and C coalitions: C = B / R of 2 K or more, K the interactions listed",
    fails="spreads what is of higher order than it is told over the smaller subsets within; limits "
    "of size as of kernelshap-iq",
    calls=CALLS,
    citation="Tsai, Yeh & Ravikumar 2023, Faith-Shap, arXiv:2203.00870, theorem 17",
    imports=IMPORTS,
    extra="shapiq",
)
def regression_fbii(
    problem: Problem,
    *,
    order: Order | None = None,
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    r"""Faithful Banzhaf interaction index: the best game of limited order, all coalitions alike.

    As `regression_fsii` with :math:`\mu(T) = 2^{-n}`: least squares over uniform coalitions, for
    the game and the rows of `kernelshap_iq`.

    Parameters
    ----------
    order
        As for `kernelshap_iq`; 1 gives Banzhaf values.
    on
        What is attributed; their authors explain the model's output.
    aggregate
        Of the rows explained, one too; see `explaining.aggregated`.
    """
    from actspec_bench.methods.playing.indices import estimated

    return estimated(problem, "regression-fbii", order=order, on=on, aggregate=aggregate)


@method(
    "permutation-sii",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("queries",),
    on="margin",
    rows="R (1 + P c), c = sum over s <= order of (n - s + 1) 2^s, for P permutations of R rows",
    fails="a permutation shows n - 1 of the n (n - 1) / 2 pairs: those not met are not reported",
    calls=CALLS,
    citation="Grabisch & Roubens 1999 (the index); permutations: Fumagalli et al. 2023, "
    "SHAP-IQ, arXiv:2303.01179",
    imports=IMPORTS,
    extra="shapiq",
)
def permutation_sii(
    problem: Problem,
    *,
    order: Order | None = None,
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    """Shapley interaction index by discrete derivatives of neighbours in random permutations.

    The game, the index and the rows are those of `kernelshap_iq`. A permutation gives every run of
    s neighbours, s up to the order, the derivative at those before them. Another row is explained
    once each interaction of the order has been met four times on average, for what is not met
    counts as zero; more permutations always help.

    Parameters
    ----------
    order
        Largest subset; 1 gives Shapley values. If not given, the largest up to 4 for which
        one row has coalitions in plenty, and 2 at least.
    on
        What is attributed; their authors explain the model's output.
    aggregate
        Of the rows explained, one too; see `explaining.aggregated`.
    """
    from actspec_bench.methods.playing.indices import estimated

    return estimated(problem, "permutation-sii", order=order, on=on, aggregate=aggregate)


@method(
    "permutation-stii",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("queries",),
    on="margin",
    rows="R (L + 1 + P C(n, order) 2^order), L the subsets below the order, for P permutations",
    fails="one permutation asks for four coalitions a pair: 8,130 rows of 64 units",
    calls=CALLS,
    citation="Sundararajan, Dhamdhere & Agarwal 2020, Shapley-Taylor, arXiv:1902.05622, section 2",
    imports=IMPORTS,
    extra="shapiq",
)
def permutation_stii(
    problem: Problem,
    *,
    order: Annotated[int, Field(ge=2, le=4)] = 2,
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    r"""Shapley-Taylor index: derivatives at nothing, and of the top order in random permutations.

    :math:`\Delta_S v(\emptyset)` for subsets below the order, exactly; for those of the order
    the mean over permutations of :math:`\Delta_S v(T)`, T being who comes before all of S. Game
    and rows are those of `kernelshap_iq`; a row has one permutation before another is explained.

    Parameters
    ----------
    order
        Largest subset, 2 at least: of order 1 the library gives nothing.
    on
        What is attributed; their authors explain the model's output.
    aggregate
        Of the rows explained, one too; see `explaining.aggregated`.
    """
    from actspec_bench.methods.playing.indices import estimated

    return estimated(problem, "permutation-stii", order=order, on=on, aggregate=aggregate)
