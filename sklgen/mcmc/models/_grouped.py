"""Coordinates in which effects of groups are about normal, however large groups are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from sklgen._typing import Array
from sklgen.mcmc._transforms import Coordinates, Joint
from sklgen.mcmc.models._design import Design


@final
class PartlyCentred(Coordinates):
    """Effects of groups in units of about their standard deviations a posteriori.

    Rows of a group say of an effect that is `sd` times z that its variance is about
    1 / information, and the law of groups that it is sd^2. In units of the variance of
    both, coordinates hardly depend on `sd` a posteriori: those of small groups are z,
    those of large ones the effects themselves [1]_.

    Parameters
    ----------
    joint : Joint
        Map of vectors onto all parameters, "group_sd" (r,) and "group_effect" (G, r)
        among them.
    design : Design
        Rows.
    weight : ndarray of shape (n,)
        Weight of each row.
    per_row : float
        About the information in a row of weight 1 on its predictor.

    References
    ----------
    .. [1] Papaspiliopoulos, O., Roberts, G. O. and Skold, M. (2007). A general
       framework for the parametrization of hierarchical models. Statistical Science,
       22.
    """

    is_standard: ClassVar[bool] = False

    def __init__(
        self, joint: Joint, design: Design, weight: Array, per_row: float
    ) -> None:
        self._joint, self.size = joint, joint.size
        n_groups, r = joint.parts["group_effect"].shape
        information = np.zeros((n_groups, r))
        squares = np.ones((r, len(weight)))
        squares[1:] = design.columns[design.sloped] ** 2
        for j in range(r):
            information[:, j] = design.by_group(weight * squares[j], n_groups)
        self._information = per_row * information * design.effect_units**2

    def to_constrained(self, u: ArrayLike) -> tuple[dict[str, Array], Array]:
        """Parameters and log-Jacobians at vectors (..., size)."""
        x, log_jacobian = self._joint.to_constrained(u)
        shrink = 1.0 / np.sqrt(1.0 + self._ratios(x["group_sd"]))
        x["group_effect"] = x["group_effect"] * shrink
        return x, log_jacobian + np.log(shrink).sum(axis=(-2, -1))

    def pull_back(self, gradient: Mapping[str, ArrayLike], u: ArrayLike) -> Array:
        """Gradient by u of what has gradients by the parameters."""
        x, _ = self._joint.to_constrained(u)
        sd, effect = x["group_sd"], x["group_effect"]
        ratios = self._ratios(sd)
        shrink = 1.0 / np.sqrt(1.0 + ratios)
        by_effect = np.asarray(gradient["group_effect"]) * shrink
        # Of log(shrink) by sd.
        bend = -ratios / (1.0 + ratios) / sd[..., None, :]
        slope = (bend * (by_effect * effect + 1.0)).sum(axis=-2)
        by_sd = np.asarray(gradient["group_sd"]) + slope
        both = {"group_effect": by_effect, "group_sd": by_sd}
        return self._joint.pull_back({**gradient, **both}, u)

    def _ratios(self, sd: Array) -> Array:
        """Variances of effects over those that rows leave."""
        return np.asarray(np.minimum(sd, 1e100)[..., None, :] ** 2 * self._information)
