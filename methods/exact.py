"""Exact transform: every pattern is queried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from actspec_bench.errors import NotApplicable
from actspec_bench.problems.attribution import Attribution
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.problem import Problem

LARGEST_N = 20
RELATIVE_FLOOR = 1e-6
ROWS_A_CALL = 2**14


@method(
    "exact-wht",
    returns="subsets",
    family="spectral",
    needs=("patterns",),
    rows="2^n",
    fails="n above 20, or 2^n above the budget",
    imports=("actspec_bench.fourier.spectrum",),
    citation="O'Donnell, Analysis of Boolean Functions, 2014, section 1.2",
)
def exact_wht(problem: Problem, *, subsets: Annotated[int, Field(ge=1)] = 1000) -> Attribution:
    """Walsh-Hadamard transform of all 2^n patterns, n at most 20.

    Parameters
    ----------
    subsets
        How many of the largest coefficients to report; those below a millionth of the largest
        are rounding and left out.
    """
    import torch

    from actspec_bench.fourier.spectrum import patterns_of, walsh_hadamard_

    n = problem.n
    if n > LARGEST_N:
        raise NotApplicable(f"all 2^{n} patterns are too many: n must be at most {LARGEST_N}")
    if problem.remaining < 2**n:
        raise NotApplicable(
            f"all {2**n:,} patterns are needed and {problem.remaining:,} of the budget of "
            f"{problem.budget:,} remain"
        )
    coefficients = torch.empty(2**n, dtype=torch.float64)
    for numbers in torch.split(torch.arange(2**n), ROWS_A_CALL):
        coefficients[numbers] = problem.value(patterns_of(numbers, n)).double()
    walsh_hadamard_(coefficients).div_(2**n)
    magnitude = coefficients.abs()
    magnitude[0] = 0.0
    largest = magnitude.argsort(descending=True, stable=True)[:subsets].tolist()
    floor = RELATIVE_FLOOR * float(magnitude.max())
    found = {
        tuple(i for i in range(n) if position >> i & 1): float(coefficients[position])
        for position in largest
        if magnitude[position] > floor
    }
    return Attribution.from_subsets(found, n=n)
