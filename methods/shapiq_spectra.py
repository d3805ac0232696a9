"""SPEX and the methods with trees for a proxy, by the optional library shapiq."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from actspec_bench.problems.explaining import Aggregate, On
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

COMPILED = ("actspec_bench.methods.playing.precompiled", "actspec_bench.methods.playing.spectra")
SPEX = "Kang et al. 2025, SPEX, arXiv:2502.13870, algorithms 1 to 4"
SPEX_ROWS = "3 (p + 1) 2^b of B, p about t log2(n + 1) check bits of a code for degree t, b >= 3"
SPEX_CALLS = "shapiq 1.4 or newer (MIT), sparse-transform (MIT), galois (MIT), numba (BSD-2)"
TREES_CALLS = "shapiq 1.4 or newer (MIT), LightGBM (MIT)"


@method(
    "spex",
    returns="subsets",
    family="spectral",
    needs=("patterns", "uniform"),
    on="value",
    rows=SPEX_ROWS,
    fails="sets of more units than its degree are missed whole and without a word, whatever the "
    "budget; functions with very many small coefficients",
    calls=SPEX_CALLS,
    citation=SPEX,
    imports=COMPILED,
    extra="shapiq",
)
def spex(
    problem: Problem, *, degree: Annotated[int, Field(ge=1, le=16)] = 5, on: On = "value"
) -> Attribution:
    r"""Fourier coefficients that SPEX decodes from masks laid out by an error-correcting code.

    Masks are hashed into 2^b bins, three times; the rows of a BCH code's parity checks shift
    them, so that the transform of a bin with one coefficient in it spells, in signs, the
    syndrome of its set: decoding gives the set, which is then peeled from the other bins. The
    library publishes an interaction index alone: of order n it is the Moebius transform m of
    all that was decoded, which is read back exactly,

    .. math:: \hat f(S) = (-1)^{|S|} \sum_{T \supseteq S} 2^{-|T|} m(T).

    Sets of up to ``degree`` units are found. Where the budget has no 8 bins for that, the
    library takes a smaller degree, down to 2; ``degree`` in ``info`` is the one that served, with
    a warning. The rows asked for are ``samples``, the largest of its plans within the budget; on
    sparse functions more buy no other answer.

    Its arithmetic is compiled when it is first used in a process, which takes ``seconds_cold`` in
    ``info``, of which the harness spends those for up to 92 units before the clock.
    ``seconds_warm`` is the call without that.

    Parameters
    ----------
    degree
        Largest set to be found: it has to be known beforehand.
    on
        What is attributed.
    """
    from actspec_bench.methods.playing.spectra import spex_spectrum

    return spex_spectrum(problem, degree=degree, on=on)


@method(
    "spex-index",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("patterns", "uniform"),
    on="value",
    rows=SPEX_ROWS,
    fails="shadows of larger sets on the subsets within them are ranked beside true ones; and as "
    "spex does",
    calls=SPEX_CALLS,
    citation=f"{SPEX}; Tsai, Yeh & Ravikumar 2023, arXiv:2203.00870, theorem 17 (the index)",
    imports=COMPILED,
    extra="shapiq",
)
def spex_index(
    problem: Problem,
    *,
    degree: Annotated[int, Field(ge=1, le=16)] = 5,
    order: Annotated[int, Field(ge=1)] = 5,
    on: On = "value",
) -> Attribution:
    r"""SPEX as its library publishes it: the Faith-Banzhaf index of up to a stated order.

    The coefficients :math:`\phi_S`, :math:`|S| \le` order, of the least-squares fit of
    :math:`\sum_S \phi_S \prod_{i \in S} z_i`, z in {0, 1} and 1 where a unit is on, to what `spex`
    decodes from the same masks, over all patterns alike. What is larger than the order and
    orthogonal to all up to it, as a parity is, leaves nothing; of a parity of s units within the
    order, the set gets 2^s times its coefficient and every part of r units 2^r times, up to sign.

    Parameters
    ----------
    degree
        As for `spex`.
    order
        Largest subset reported; as many units as SPEX decodes, if not given.
    on
        What is attributed.
    """
    from actspec_bench.methods.playing.spectra import spex_index as index

    return index(problem, degree=degree, order=order, on=on)


@method(
    "proxyspex",
    returns="subsets",
    family="spectral",
    needs=("patterns", "uniform"),
    on="value",
    rows="B uniform masks, at most 4,000, 128,000 / n and 2^n - 1",
    fails="parities without smaller effects give boosted trees no first split: at order 5 it needs "
    "very many masks, and in the pairs of complements that shapiq 1.4 draws it finds no even "
    "parity that has no noise",
    calls=TREES_CALLS,
    citation="Butler et al. 2025, ProxySPEX, arXiv:2505.17495, algorithm 1",
    imports=("actspec_bench.methods.playing.spectra",),
    extra="shapiq",
)
def proxyspex(
    problem: Problem,
    *,
    samples: Annotated[int, Field(ge=60)] | None = None,
    on: On = "value",
) -> Attribution:
    """Fourier coefficients of boosted trees fitted to uniform masks, refitted where they are large.

    Eight settings of LightGBM are compared by five folds; the trees of the best have a Fourier
    transform, of which the subsets with 95 % of the energy are fitted anew by ridge regression.
    Read as `spex` is. The library takes 5 to 20 ms a mask, and 2 GB for 4,000 masks of 64 units:
    more masks than 20 seconds allow would help it, and are not drawn unless asked for.

    Parameters
    ----------
    samples
        Masks at most; if not given 4,000, or 128,000 / n if that is less.
    on
        What is attributed.
    """
    from actspec_bench.methods.playing.spectra import proxyspex_spectrum

    return proxyspex_spectrum(problem, samples=samples, on=on)


@method(
    "proxyshap",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("queries",),
    on="margin",
    rows="R C for R rows and C coalitions: C = B / R of at least 2,000",
    fails="interactions without smaller effects, which trees do not split on; needs Python 3.12",
    calls="shapiq 1.8 or newer (MIT), LightGBM (MIT) or XGBoost (Apache-2.0)",
    citation="Thies et al. 2026, ProxySHAP, arXiv:2605.22738",
    imports=("actspec_bench.methods.playing.indices",),
    extra="shapiq",
)
def proxyshap(
    problem: Problem,
    *,
    order: Annotated[int, Field(ge=1, le=4)] = 2,
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    """Shapley interaction index of boosted trees fitted to coalitions of a row.

    The index of the trees is exact; their own error is not corrected, as is the library's
    default. Game, index and rows are those of `kernelshap_iq`; the trees are XGBoost's where it
    is installed, else LightGBM's, and ``info`` tells which. Only shapiq 1.8 has it, for
    Python 3.12 and newer.

    Parameters
    ----------
    order
        Largest subset; 1 gives Shapley values.
    on
        What is attributed; their authors explain the model's output.
    aggregate
        Of the rows explained, one too; see `explaining.aggregated`.
    """
    from actspec_bench.methods.playing.indices import estimated

    return estimated(problem, "proxyshap", order=order, on=on, aggregate=aggregate)
