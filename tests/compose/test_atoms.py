"""Atoms stand out from their neighbours; chance, rounding and a dense grid do not."""

import numpy as np
import pytest

from sklgen.compose import TabularEncoder
from sklgen.compose._atoms import find_atoms, find_heaps
from sklgen.datasets import load_penguins

SHARE = 0.03
SIZES = [150, 350, 1500, 20_000]


def atoms_of(x, share=SHARE, weight=None):
    values, rows = np.unique(x, return_inverse=True)
    counts = np.bincount(rows, weights=weight).astype(np.float64)
    return values[find_atoms(values, counts, share)].tolist()


def smooth(rng, n):
    """Columns of smooth densities, whose heaviest cells have 2 to 7 % of the weight."""
    return {
        "normal": np.rint(rng.normal(0, 6, n)),
        "two groups": np.rint(rng.normal(rng.choice([0, 60], n), 7)),
        "even": rng.integers(0, 50, n),
        "skewed": np.floor(rng.exponential(25, n)),
        "decimals": np.round(rng.normal(44, 2, n), 1),
        "steps": np.rint(rng.normal(4000, 800, n) / 50) * 50,
    }


@pytest.mark.parametrize("n", SIZES)
def test_smooth_columns_have_no_atoms(n):
    """However heavy their cells are."""
    rng = np.random.default_rng(0)
    found = [
        (name, atoms)
        for _ in range(30)
        for name, x in smooth(rng, n).items()
        if (atoms := atoms_of(x))
    ]
    # Each of 180 columns has a chance of up to 1 % to be wrong.
    assert len(found) <= 4, found


@pytest.mark.parametrize("n", SIZES[1:])
@pytest.mark.parametrize("name", ["normal", "two groups", "even", "decimals"])
def test_values_that_stand_out_are_atoms(name, n):
    """One in the middle, one far away, each with a tenth of rows."""
    rng = np.random.default_rng(1)
    x = smooth(rng, n)[name].astype(np.float64)
    wanted = [np.median(x), 99_999.0]
    part = rng.random(n)
    for i, value in enumerate(wanted):
        x[(part > 0.1 * i) & (part < 0.1 * (i + 1))] = value
    assert set(wanted) <= set(atoms_of(x))
    assert len(atoms_of(x)) <= 3


def test_atoms_of_a_census():
    rng = np.random.default_rng(2)
    n = 20_000
    gain = np.where(rng.random(n) < 0.9, 0, np.rint(rng.exponential(5000, n)))
    gain[rng.random(n) < 0.005] = 99_999
    assert atoms_of(gain) == [0, 99_999]
    hours = np.where(
        rng.random(n) < 0.5, 40, np.clip(np.rint(rng.normal(40, 12, n)), 1, 99)
    )
    assert atoms_of(hours) == [40]
    value = np.minimum(np.rint(rng.lognormal(12.3, 0.5, n)), 500_001)
    assert atoms_of(value) == [500_001]


@pytest.mark.parametrize("coarse", [2, 5, 10])
def test_values_rounded_to_a_coarser_grid_are_no_atoms(coarse):
    """Three in four rows are, as people round."""
    rng = np.random.default_rng(3)
    x = rng.normal(100, 6 * coarse, 4000)
    rounded = rng.random(4000) < 0.75
    x = np.where(rounded, coarse * np.rint(x / coarse), np.rint(x))
    assert atoms_of(x) == []
    x[:400] = coarse * 21
    assert atoms_of(x) == [coarse * 21]


def test_heaps_are_what_others_were_rounded_to():
    rng = np.random.default_rng(6)
    x = rng.normal(0, 30, 2000)
    x = np.where(rng.random(2000) < 0.7, 10 * np.rint(x / 10), np.rint(x))
    values, counts = np.unique(x, return_counts=True)
    heap = find_heaps(values, counts, np.array([]))
    assert (values[heap] % 10 == 0).all()
    assert heap[(values % 10 == 0) & (counts > 20)].all()
    smooth = np.unique(np.rint(rng.normal(0, 30, 2000)), return_counts=True)
    assert not find_heaps(*smooth, np.array([])).any()
    encoder = TabularEncoder().fit(x[:, None])
    assert encoder.kinds_ == ("normal",)
    z = rng.normal(size=20_000)
    drawn = encoder.inverse_transform(z[:, None])[:, 0]
    for value in values[heap]:
        share = (x == value).mean()
        assert (drawn == value).mean() == pytest.approx(share, abs=0.015)
    assert (drawn % 10 == 0).mean() == pytest.approx((x % 10 == 0).mean(), abs=0.05)


def test_beside_an_atom_there_is_one_cell_less_to_compare_with():
    x, counts = np.array([4.0, 6.0, 7.0]), np.array([20, 20, 10])
    assert find_heaps(x, counts, np.array([])).tolist() == [True, True, False]
    assert find_heaps(x, counts, np.array([3.0, 5.0])).tolist() == [False] * 3


def test_few_values_are_all_atoms():
    rng = np.random.default_rng(4)
    for x in (rng.poisson(3, 400), rng.integers(0, 30, 50_000), rng.integers(0, 2, 5)):
        assert atoms_of(x) == np.unique(x).tolist()


def test_weights_are_repeats_and_units_do_not_matter():
    rng = np.random.default_rng(5)
    x = np.rint(rng.normal(0, 20, 3000))
    x[:300] = 7
    weight = rng.integers(1, 4, 3000)
    wanted = atoms_of(np.repeat(x, weight))
    assert wanted == [7]
    assert atoms_of(x, weight=weight) == wanted
    assert atoms_of(x * 0.1) == [0.1 * 7]
    assert atoms_of(-x) == [-7]
    assert atoms_of(x * 1e-300) == [7e-300]
    assert atoms_of(x * 1e306) == [7e306]
    assert atoms_of((x * 1e9).astype(np.int64) + 1_700_000_000 * 10**9) == [
        1_700_000_007 * 10**9
    ]


def test_penguins_are_measured_and_have_no_atoms():
    X = load_penguins(as_frame=True).frame
    columns = TabularEncoder().fit(X).columns_
    assert [len(c.atoms) for c in columns if c.kind == "number"] == [0, 0, 0, 0]
