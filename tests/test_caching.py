from __future__ import annotations

import torch

from actspec_bench import caching


def test_weights_are_cached_by_everything_they_depend_on(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ACTSPEC_BENCH_CACHE", str(tmp_path))
    runs = []

    def train() -> dict[str, torch.Tensor]:
        runs.append(torch.get_num_threads())
        return {"w": torch.ones(2) * len(runs)}

    for depends_on, expected in (
        ({"seed": 0, "data": "a"}, 1.0),
        ({"seed": 0, "data": "a"}, 1.0),
        ({"seed": 0, "data": "b"}, 2.0),
        ({"seed": 1, "data": "a"}, 3.0),
    ):
        assert caching.cached_tensors("net", train, **depends_on)["w"][0] == expected
    assert caching.cached_tensors("other", train, seed=0, data="a")["w"][0] == 4.0
    monkeypatch.setattr(caching.torch, "__version__", "9.9")
    assert caching.cached_tensors("net", train, seed=0, data="a")["w"][0] == 5.0
    assert runs == [1] * 5
