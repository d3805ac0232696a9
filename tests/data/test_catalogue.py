"""The catalogue of data sets."""

from __future__ import annotations

from actspec_bench.data.catalogue import CATALOGUE


def test_the_catalogue_has_a_checksum_for_each_file_and_two_mirrors_for_each_set() -> None:
    for entry in CATALOGUE.values():
        forms = {form for file in entry.files for form in file.forms}
        assert len({form.sha256 for form in forms}) == len({form.names for form in forms})
        assert len(entry.mirrors) == 2
        assert all(address.startswith("https://") for address in entry.mirrors)
