"""Passes over Markov chains against sums over all paths."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklgen.em import _sequences
from sklgen.hmm import _messages, _structure
from sklgen.hmm._base import expectation
from sklgen.hmm._paths import decode, draw
from tests.hmm.brute_force import (
    Data,
    Fitted,
    chains_of,
    enumerate_paths,
    read_each_row,
)

LENGTHS = [6, 1, 4, 6, 2, 5]


def random_chains(C, K, rng, spread=2.0, n_rows=7):
    return chains_of(
        rng.dirichlet(np.ones(C)),
        rng.dirichlet(np.ones(K), C),
        rng.dirichlet(np.ones(K), (C, K)),
        spread * rng.normal(size=(C, K, n_rows)),
    )


def random_data(rng, lengths=LENGTHS, n_rows=7):
    rows = [rng.integers(n_rows, size=n) for n in lengths]
    return Data(rows, rng.choice([0.5, 1.0, 2.0], len(lengths)))


def changed(chains, *, log=None, transition=None, start=None):
    return chains_of(
        chains.weights,
        chains.start if start is None else start,
        chains.transition if transition is None else transition,
        (chains.components.log if log is None else log).reshape(
            chains.n_chains, chains.n_states, -1
        ),
    )


def dense(rng):
    return random_chains(1, 3, rng), random_data(rng)


def two_clusters(rng):
    return random_chains(2, 2, rng), random_data(rng)


def side_by_side(rng):
    """As many sequences as make the kernels go along them, five states."""
    return random_chains(1, 5, rng), random_data(rng, [4, 3, 1, 2] * 6)


def left_right(rng):
    chains, data = dense(rng)
    upper = np.triu(chains.transition)
    upper /= upper.sum(axis=-1, keepdims=True)
    return changed(chains, transition=upper, start=np.array([[0.6, 0.4, 0.0]])), data


def impossible_rows(rng):
    """Rows that no state can give: first, last, between, and alone."""
    chains, data = dense(rng)
    log = chains.components.log
    log[:, 0] = -np.inf
    data.sequences[0][[0, 3]] = 0
    data.sequences[1][:] = 0
    data.sequences[2][[1, 2]] = 0
    data.sequences[3][-1] = 0
    return chains, data


def unreachable_rows(rng):
    """Rows that only states give which the rows before rule out."""
    chains, data = left_right(rng)
    log = chains.components.log
    log[:2, 1] = -np.inf
    log[1:, 0] = -np.inf
    data.sequences[0][:] = [2, 1, 0, 3, 4, 0]
    data.sequences[3][:] = [3, 4, 1, 5, 6, 0]
    data.sequences[5][:] = [1, 2, 3, 0, 4]
    return chains, data


def distant_rows(rng):
    """Rows so far apart that the likely path goes through all but impossible states."""
    chains, data = left_right(rng)
    log = chains.components.log
    log[:] = [[-4000, 0, -9000, -1, 0, 0, -3], [0, -5000, 0, -8000, -2, 0, -1], 7 * [0]]
    log[2] = [-7000, -1, -2000, 0, -3000, -1, 0]
    return chains, data


def distant_rows_anywhere(rng):
    chains, data = distant_rows(rng)
    return changed(chains, transition=rng.dirichlet(np.ones(3), (1, 3))), data


def nearly_closed(rng):
    """Transitions so rare that their products underflow."""
    chains, data = dense(rng)
    rare = np.array([[[1.0, 1e-200, 0.0], [1e-160, 1.0, 1e-180], [1e-170, 0.0, 1.0]]])
    return changed(chains, transition=rare, log=300 * chains.components.log), data


def forgotten_states(rng):
    """A state so unlikely that it underflows, and the only likely one in the end."""
    chains, data = dense(rng)
    log = chains.components.log
    log[:, 0], log[:, 1] = [0, -800, -801], [-500, 0, -1]
    apart = np.array([[[1.0, 0.0, 0.0], [0.0, 0.7, 0.3], [0.0, 0.4, 0.6]]])
    data.sequences[0][:] = [0, 1, 2, 1, 3, 0]
    data.sequences[3][:] = [2, 0, 1, 3, 1, 4]
    return changed(chains, transition=apart), data


def known_states(rng):
    chains, data = left_right(rng)
    data.labels = [np.full(len(rows), -1) for rows in data.sequences]
    data.labels[0][[1, 4]] = [0, 2]
    data.labels[1][0] = 1
    data.labels[3][5] = 0
    return chains, data


CASES = [
    dense,
    two_clusters,
    side_by_side,
    left_right,
    impossible_rows,
    unreachable_rows,
    distant_rows,
    distant_rows_anywhere,
    nearly_closed,
    forgotten_states,
    known_states,
]


def name_of(case):
    return case.__name__


def made(case):
    return case(np.random.default_rng(0))


# Densities of rows know no states, and one chain is decoded.
WITHOUT_LABELS = [case for case in CASES if made(case)[1].labels is None]
OF_ONE_CHAIN = [case for case in CASES if made(case)[0].n_chains == 1]
# Rows of a segment, and segments that a message passes at a time.
CUTS = {"whole": (1024, 8), "cut": (2, 8), "in strides": (2, 2), "in rows": (1, 1)}


@pytest.fixture(params=CUTS.values(), ids=CUTS)
def cut(request, monkeypatch):
    rows, stride = request.param
    monkeypatch.setattr(_sequences, "_SEGMENT_ROWS", rows)
    monkeypatch.setattr(_messages, "_STRIDE", stride)


@pytest.fixture(params=CASES, ids=name_of)
def case(request):
    return made(request.param)


def enumerate_all(chains, data):
    """For each chain, what enumeration says of each sequence."""
    return [
        [
            enumerate_paths(log, chains.start[c], chains.transition[c])
            for log in data.densities(chains, c)
        ]
        for c in range(chains.n_chains)
    ]


def shares(chains, found):
    """Probability (C, m) of each chain, log-density (m,) of each sequence."""
    own = np.array([[one.density.sum() for one in chain] for chain in found])
    joint = own + np.log(chains.weights)[:, None]
    total = np.logaddexp.reduce(joint, axis=0)
    possible = np.where(np.isfinite(total), total, 0.0)
    return np.where(np.isfinite(total), np.exp(joint - possible), 1.0), total


@pytest.mark.usefixtures("cut")
def test_statistics_are_those_of_all_paths(case):
    chains, data = case
    with data.open(chains) as sequences:
        statistics = expectation(sequences)(chains)
    found = enumerate_all(chains, data)
    share, total = shares(chains, found)
    weight = share * data.weight
    assert_allclose(statistics.bound, data.weight @ total, rtol=1e-12)
    assert statistics.weight == data.weight @ [len(rows) for rows in data.sequences]
    assert_allclose(statistics.clusters, weight.sum(axis=1), rtol=1e-12)
    counts = np.zeros(chains.components.log.shape)
    for c, chain in enumerate(found):
        starts = sum(
            w * one.smoothed[:, 0] for w, one in zip(weight[c], chain, strict=True)
        )
        pairs = sum(w * one.pairs for w, one in zip(weight[c], chain, strict=True))
        assert_allclose(statistics.starts[c], starts, rtol=1e-10, atol=1e-13)
        assert_allclose(statistics.transitions[c], pairs, rtol=1e-10, atol=1e-13)
        own = counts[c * chains.n_states : (c + 1) * chains.n_states]
        for w, one, rows in zip(weight[c], chain, data.sequences, strict=True):
            np.add.at(own.T, rows, w * one.smoothed.T)
    assert_allclose(statistics.family, counts, rtol=1e-10, atol=1e-13)


@pytest.mark.usefixtures("cut")
def test_posteriors_are_those_of_all_paths(case):
    chains, data = case
    smoothed = read_each_row(
        chains,
        data,
        lambda model, emissions, bundle, messages, scratch: model.smooth(
            emissions, bundle, messages, scratch
        ).smoothed.reshape(model.n_laws, -1),
    )
    found = enumerate_all(chains, data)
    share, _ = shares(chains, found)
    expected = [
        np.concatenate(
            [s * one.smoothed for s, one in zip(share[c], chain, strict=True)], axis=1
        )
        for c, chain in enumerate(found)
    ]
    assert_allclose(smoothed, np.concatenate(expected), rtol=1e-10, atol=1e-14)


@pytest.mark.usefixtures("cut")
def test_filtered_states_are_those_of_all_paths(case):
    chains, data = case

    def filtered(model, emissions, bundle, messages, scratch):
        found = []
        for chain in range(model.n_chains):
            previous, _ = model.begin(bundle, messages, chain)
            done = model.filter(emissions.log, chain, previous, bundle.offset, scratch)
            found.append(np.exp(done.log_filtered()))
        return np.concatenate(found)

    expected = [
        np.concatenate([one.filtered for one in chain], axis=1)
        for chain in enumerate_all(chains, data)
    ]
    assert_allclose(
        read_each_row(chains, data, filtered),
        np.concatenate(expected),
        rtol=1e-10,
        atol=1e-14,
    )


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("case", WITHOUT_LABELS, indirect=True, ids=name_of)
def test_density_of_each_row_given_those_before(case):
    chains, data = case
    density = Fitted(chains)._score_rows(data.X, data.ends)
    found = enumerate_all(chains, data)
    expected = []
    for sequence in zip(*found, strict=True):
        joint = np.array([one.density.cumsum() for one in sequence])
        if chains.n_chains == 1:
            expected.append(sequence[0].density)
        else:
            total = np.logaddexp.reduce(joint + np.log(chains.weights)[:, None], axis=0)
            expected.append(np.diff(total, prepend=0.0))
    assert_allclose(density, np.concatenate(expected), rtol=1e-10, atol=1e-11)


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("case", OF_ONE_CHAIN, indirect=True, ids=name_of)
def test_viterbi_finds_the_most_probable_path(case):
    check_viterbi(*case)


@pytest.mark.usefixtures("cut")
def test_viterbi_weighs_transitions_against_rows():
    rng = np.random.default_rng(1)
    check_viterbi(random_chains(1, 3, rng, spread=0.4), random_data(rng, [6] * 60))


def check_viterbi(chains, data):
    with data.open(chains) as sequences:
        path = decode(chains, sequences)
    for one, own in zip(
        enumerate_all(chains, data)[0], np.split(path, data.ends[:-1]), strict=True
    ):
        at = np.flatnonzero((one.paths == own).all(axis=1))[0]
        assert_allclose(one.log_joint[at], one.log_joint.max(), rtol=1e-13)


def test_drawn_paths_have_the_law_of_all_paths(case):
    check_draws(*case, 2000)


@pytest.mark.usefixtures("cut")
def test_drawn_paths_of_segments_have_the_law_of_all_paths():
    check_draws(*two_clusters(np.random.default_rng(0)), 100)


def check_draws(chains, data, n):
    copies = Data(
        [rows for rows in data.sequences for _ in range(n)],
        np.ones(n * len(data.sequences)),
        data.labels and [known for known in data.labels for _ in range(n)],
    )
    rng = np.random.default_rng(0)
    with copies.open(chains) as sequences:
        laws = draw(chains, sequences, rng.random((2, len(copies.X))))
    found = enumerate_all(chains, data)
    share, _ = shares(chains, found)
    K = chains.n_states
    each = np.split(laws, copies.ends[:-1])
    for at in range(len(data.sequences)):
        drawn = np.array(each[at * n : (at + 1) * n])
        expected = {}
        for c, chain in enumerate(found):
            one = chain[at]
            law = np.exp(one.log_joint - np.logaddexp.reduce(one.log_joint))
            expected |= {
                tuple(c * K + path): share[c, at] * p
                for path, p in zip(one.paths, law, strict=True)
            }
        paths, counts = np.unique(drawn, axis=0, return_counts=True)
        seen = dict(zip(map(tuple, paths), counts / n, strict=True))
        for path, p in expected.items():
            margin = 5 * np.sqrt(p * (1 - p) / n) + 2 / n
            assert abs(seen.get(path, 0.0) - p) < margin


@pytest.mark.parametrize("make", CASES, ids=lambda case: case.__name__)
def test_logarithms_are_for_what_underflows(make, monkeypatch):
    calls = []
    kernel = _structure.log_backward

    def counted(*args):
        calls.append(1)
        kernel(*args)

    monkeypatch.setattr(_structure, "log_backward", counted)
    chains, data = make(np.random.default_rng(0))
    with data.open(chains) as sequences:
        expectation(sequences)(chains)
    underflows = {unreachable_rows, distant_rows, nearly_closed, forgotten_states}
    assert bool(calls) == (make in underflows)


def test_long_sequences_are_those_in_one_piece(monkeypatch):
    rng = np.random.default_rng(0)
    chains = random_chains(2, 4, rng)
    data = random_data(rng, [5000, 3, 1024, 1025, 700])
    found = []
    for rows in (1024, 100_000):
        monkeypatch.setattr(_sequences, "_SEGMENT_ROWS", rows)
        with data.open(chains) as sequences:
            found.append(expectation(sequences)(chains))
    for name in ("clusters", "starts", "transitions", "family", "bound"):
        assert_allclose(*(getattr(one, name) for one in found), rtol=1e-10)


def test_threads_leave_the_bits_as_they_are(monkeypatch):
    monkeypatch.setattr(_sequences, "_BUNDLE_ROWS", (64, 64))
    monkeypatch.setattr(_sequences, "_SEGMENT_ROWS", 100)
    rng = np.random.default_rng(0)
    chains = random_chains(2, 3, rng)
    data = random_data(rng, [5, 30, 700, 1, 250, *[20] * 30])
    found = []
    for n_threads in (1, 4):
        with data.open(chains, n_threads) as sequences:
            found.append(expectation(sequences)(chains))
    for name in ("clusters", "starts", "transitions", "family", "bound"):
        assert_array_equal(*(getattr(one, name) for one in found))
