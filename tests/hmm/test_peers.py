"""Numbers of another implementation at the same parameters.

The literals are what hmmlearn 0.3.3 gives, at its default `implementation="log"`.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklgen.hmm import GaussianHMM, PoissonHMM, groups_from_lengths
from sklgen.hmm._base import expectation
from sklgen.hmm._paths import decode
from tests.hmm.brute_force import Data, Fitted, chains_of, read_each_row

LENGTHS = [5, 3]
GROUPS = groups_from_lengths(LENGTHS)
CHAIN = {
    "startprob_init": [0.5, 0.3, 0.2],
    "transmat_init": [[0.7, 0.2, 0.1], [0.15, 0.6, 0.25], [0.1, 0.3, 0.6]],
    "n_init": 1,
    "max_iter": 0,
}
X = np.array(
    [
        [0.3, -1.2],
        [1.7, 0.4],
        [2.2, 1.9],
        [-0.6, 0.1],
        [0.9, 2.4],
        [3.1, 1.0],
        [-1.4, -0.8],
        [0.2, 0.7],
    ]
)
COUNTS = np.array([[0, 3], [4, 1], [8, 0], [2, 2], [1, 6], [11, 0], [3, 3], [0, 5]])
GAUSSIAN = {"means_init": [[0.0, 0.0], [2.0, 1.0], [1.0, 2.0]], "reg_covar": 0.0}
COVARIANCES = {
    "diag": [[1.0, 0.5], [0.7, 1.2], [0.4, 0.9]],
    "full": [
        [[1.0, 0.3], [0.3, 0.6]],
        [[0.8, -0.2], [-0.2, 1.1]],
        [[0.5, 0.1], [0.1, 0.9]],
    ],
}


def gaussian(covariance_type):
    return GaussianHMM(
        3,
        covariance_type=covariance_type,
        covariances_init=COVARIANCES[covariance_type],
        **GAUSSIAN,
        **CHAIN,
    )


MODELS = {
    "diag": (gaussian("diag"), X),
    "full": (gaussian("full"), X),
    "poisson": (
        PoissonHMM(3, rates_init=[[1.0, 4.0], [3.0, 2.0], [9.0, 0.5]], **CHAIN),
        COUNTS,
    ),
}
# Log-likelihood, probabilities of the states, most probable path.
PEER = {
    "diag": (
        -27.258377775887,
        [
            [0.924413016142, 0.070679250615, 0.004907733243],
            [0.252980209072, 0.687877551156, 0.059142239772],
            [0.017057665924, 0.862768368799, 0.120173965276],
            [0.881459179291, 0.046285937495, 0.072254883214],
            [0.009550822795, 0.20114771951, 0.789301457695],
            [0.066969075721, 0.929562612187, 0.003468312092],
            [0.999558585602, 0.000400621753, 4.0792646e-05],
            [0.922128602226, 0.032317010257, 0.045554387517],
        ],
        [0, 1, 1, 0, 2, 1, 0, 0],
    ),
    "full": (
        -26.605247743584,
        [
            [0.963497496975, 0.028581325661, 0.007921177364],
            [0.366410144419, 0.586096979225, 0.047492876356],
            [0.130631872256, 0.710734148441, 0.158633979303],
            [0.790761769074, 0.031107521706, 0.17813070922],
            [0.030759553993, 0.250132361758, 0.719108084249],
            [0.151551924109, 0.844019069913, 0.004429005978],
            [0.999553352778, 8.9651244e-05, 0.000356995977],
            [0.914351196221, 0.031381539569, 0.05426726421],
        ],
        [0, 1, 1, 0, 2, 1, 0, 0],
    ),
    "poisson": (
        -33.095532677712,
        [
            [0.825083985696, 0.174899098211, 1.6916093e-05],
            [0.022217822862, 0.782191124344, 0.195591052794],
            [3.913593e-06, 0.047383300178, 0.952612786229],
            [0.366234157331, 0.628940387814, 0.004825454855],
            [0.895258293462, 0.104741340499, 3.6604e-07],
            [1.7966e-08, 0.001406318383, 0.99859366365],
            [0.291133094028, 0.704591501157, 0.004275404816],
            [0.918768857412, 0.08123076678, 3.75808e-07],
        ],
        [0, 1, 2, 1, 0, 2, 1, 0],
    ),
}
# Start, transitions, means and covariances after one step of EM.
STEPS = {
    "diag": (
        [0.495691045932, 0.500120931401, 0.004188022667],
        [
            [0.407382065107, 0.333450073354, 0.259167861539],
            [0.656172394529, 0.282163295286, 0.061664310185],
            [0.377347201212, 0.192358858501, 0.430293940287],
        ],
        [
            [-0.192118875404, -0.233624565133],
            [2.165104006887, 1.154644241959],
            [0.961982701033, 1.99386519153],
        ],
        [
            [0.910908770692, 0.597233578998],
            [0.711364696863, 0.585230250182],
            [0.402252046994, 0.612620062274],
        ],
    ),
    "full": (
        [0.557524710542, 0.436300197787, 0.006175091671],
        [
            [0.499724142662, 0.299152319686, 0.201123537652],
            [0.65195448706, 0.24610743348, 0.10193807946],
            [0.245597213211, 0.126241202499, 0.62816158429],
        ],
        [
            [0.00135011787, -0.141823057079],
            [2.174580509521, 1.216641998312],
            [0.851471662835, 1.791529896992],
        ],
        [
            [[1.274196770222, 0.502698009143], [0.502698009143, 0.748606306947]],
            [[0.694983898618, -0.019528314502], [-0.019528314502, 0.534658341903]],
            [[0.640234660815, 0.402931035836], [0.402931035836, 0.863395967611]],
        ],
    ),
}


@pytest.mark.parametrize("name", PEER)
def test_posteriors_and_paths(name):
    model, rows = MODELS[name]
    log_likelihood, probabilities, path = PEER[name]
    model.fit(rows, groups=GROUPS)
    total = model.score_samples(rows, GROUPS).sum()
    assert_allclose(total, log_likelihood, rtol=0, atol=1e-10)
    found = model.predict_proba(rows, GROUPS)
    assert_allclose(found, probabilities, rtol=0, atol=1e-10)
    assert_array_equal(model.predict(rows, GROUPS), path)


@pytest.mark.parametrize("covariance_type", STEPS)
def test_one_step_of_em(covariance_type):
    model = gaussian(covariance_type).fit(X, groups=GROUPS)
    chains = model._fitted()
    with model._sequences(X, np.cumsum(LENGTHS), chains) as sequences:
        after = chains.m_step(expectation(sequences)(chains))
    start, transition, means, covariances = STEPS[covariance_type]
    assert_allclose(after.start[0], start, rtol=0, atol=1e-10)
    assert_allclose(after.transition[0], transition, rtol=0, atol=1e-10)
    assert_allclose(after.components.means, means, rtol=0, atol=1e-10)
    assert_allclose(after.components.covariances, covariances, rtol=0, atol=1e-10)


# What `PEER` has, for codes 0, 1, 2, 2, 3 and 3, 1, 0 at these probabilities.
PROBABILITIES = [[0.5, 0.3, 0.1, 0.1], [0.1, 0.2, 0.6, 0.1], [0.2, 0.1, 0.1, 0.6]]
CHAIN_PARTS = ("startprob", "transmat")
CATEGORICAL = (
    -11.095620078523,
    [
        [0.787859603098, 0.109494855416, 0.102645541485],
        [0.53960307162, 0.380974714786, 0.079422213593],
        [0.114412656508, 0.829048989842, 0.05653835365],
        [0.050236606171, 0.829270208681, 0.120493185148],
        [0.081740759754, 0.236873925357, 0.681385314889],
        [0.452719789756, 0.133138295235, 0.41414191501],
        [0.597560370903, 0.234839093569, 0.167600535528],
        [0.673377299549, 0.131948232261, 0.194674468191],
    ],
    [0, 0, 1, 1, 2, 0, 0, 0],
)


def test_posteriors_and_paths_of_labels():
    log_likelihood, probabilities, path = CATEGORICAL
    start, transition = (np.array([CHAIN[f"{name}_init"]]) for name in CHAIN_PARTS)
    chains = chains_of(np.ones(1), start, transition, np.log([PROBABILITIES]))
    codes = [np.array([0, 1, 2, 2, 3]), np.array([3, 1, 0])]
    data = Data(codes, np.ones(2))
    total = Fitted(chains)._score_rows(data.X, data.ends).sum()
    assert_allclose(total, log_likelihood, rtol=0, atol=1e-10)
    found = read_each_row(
        chains, data, lambda model, *given: model.smooth(*given).smoothed[0]
    )
    assert_allclose(found.T, probabilities, rtol=0, atol=1e-10)
    with data.open(chains) as sequences:
        assert_array_equal(decode(chains, sequences), path)
