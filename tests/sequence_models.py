"""Models of sequences that break the contract in one place each.

Each lists in `BREAKS` all the checks that must fail on it, and what their messages say.
"""

# ruff: noqa: RUF012 (these class attributes are never changed)

import numpy as np

from sklgen.hmm import GaussianHMM


class TwoStates(GaussianHMM):
    def __init__(self, random_state=None, n_jobs=None):
        super().__init__(2, n_init=1, random_state=random_state, n_jobs=n_jobs)


class OneSequence(TwoStates):
    """Scores all rows as one sequence."""

    BREAKS = {
        "check_density_integrates_to_one": "not to 1",
        "check_marginals_integrate_to_one": "not to 1",
        "check_chain_rule": "q / p",
        "check_score_is_weighted_mean": "repeated rows",
        "check_sequences": "alone and with others",
    }

    def _score_rows(self, X, ends):
        return super()._score_rows(X, np.array([len(X)]))


class BackInTime(TwoStates):
    """Scores rows given those after them: the sums are right."""

    BREAKS = {"check_past_only": "of its first half"}

    def _score_rows(self, X, ends):
        starts = np.append(0, ends[:-1])
        turned = np.concatenate(
            [np.arange(b - 1, a - 1, -1) for a, b in zip(starts, ends, strict=True)]
        )
        out = np.empty(len(X))
        out[turned] = super()._score_rows(X[turned], ends)
        return out


class Unweighted(TwoStates):
    """Counts every sequence once."""

    BREAKS = {"check_sequence_weight": "repeated sequences"}

    def fit(self, X, y=None, groups=None, sequence_weight=None, state_labels=None):
        return super().fit(X, y, groups, None, state_labels)


class Sorted(TwoStates):
    """Brings groups together without a word."""

    BREAKS = {"check_bad_groups": "a group that comes back"}

    def fit(self, X, y=None, groups=None, sequence_weight=None, state_labels=None):
        if groups is not None and not isinstance(X, list):
            groups = np.sort(groups)
        return super().fit(X, y, groups, sequence_weight, state_labels)


class OneTable(TwoStates):
    """Draws several sequences as one table."""

    BREAKS = {"check_sample_sequences": "n_sequences=3 gave"}

    def sample(self, n_samples=1, *, n_sequences=None, random_state=None):
        drawn = super().sample(
            n_samples, n_sequences=n_sequences, random_state=random_state
        )
        return drawn if n_sequences is None else np.concatenate(drawn)


class Glued(TwoStates):
    """Gives one array for a list of tables."""

    BREAKS = {"check_groups_and_lists": "of a list gave"}

    def predict(self, X, groups=None):
        found = super().predict(X, groups)
        return np.concatenate(found) if isinstance(found, list) else found


RIGHT = [TwoStates]
WRONG = [OneSequence, BackInTime, Unweighted, Sorted, OneTable, Glued]
