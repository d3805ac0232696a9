"""Activation Spectroscopy by aliasing: a sparse Walsh-Hadamard transform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem


@method(
    "actspec-alias",
    returns="subsets",
    family="spectral",
    needs=("patterns", "uniform"),
    rows="about (log2 n + 1) 2^b for 2^b bins, doubled until all energy is explained; up to B",
    fails="where many small coefficients carry the energy it asks for all of its budget and "
    "reports the largest few, less exactly",
    imports=("actspec_bench.methods.aliasing.search", "scipy.stats"),
    citation="Scheibler, Haghighatshoar & Vetterli 2013, arXiv:1310.1803; "
    "Li, Bradley, Pawar & Ramchandran 2015, arXiv:1508.06336",
)
def actspec_alias(
    problem: Problem,
    *,
    tau: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None,
    fdr: Annotated[float, Field(gt=0, lt=1)] = 0.05,
) -> Attribution:
    """Sparse Walsh-Hadamard transform by aliasing; told neither the order nor how many subsets.

    The function is asked on random affine subspaces, whose transforms are bins of a few
    coefficients each, and on shifts of these by the rows of a binary BCH code's parity checks:
    under them a coefficient that dominates its bin spells its subset in signs. Further rows
    tell subsets of more units apart, and are asked only while unexplained energy remains. What
    is decoded is subtracted everywhere, tested on fresh draws and refitted: on every query, or, if
    more than noise is left, on draws alone, since the rows of a bin put the same unknown
    coefficients into an estimate each time. A tenth of the budget looks for energy that is in few
    patterns before the search ends.

    It serves functions that answer any pattern under the uniform distribution. The attribution's
    ``info`` has ``intervals_95`` of the coefficients, the share of the variance that neither the
    subsets nor the noise explains with its interval (``unexplained``), a ``warning`` where that is
    large or cannot be told, and why the search ended early if it did (``stopped``).

    Parameters
    ----------
    tau
        Smallest |coefficient| reported. If not given, all that pass the test are.
    fdr
        Rate of false discoveries among the subsets reported.

    References
    ----------
    Scheibler, Haghighatshoar & Vetterli 2013, arXiv:1310.1803, and Li, Bradley, Pawar &
    Ramchandran 2015, arXiv:1508.06336 (bins and peeling); Massey 1969, Shift-register synthesis
    and BCH decoding; SPEX, Kang et al. 2025, arXiv:2502.13870, is kin with a degree given.
    """
    from actspec_bench.methods.aliasing.search import search

    return search(problem, tau=tau, fdr=fdr)
