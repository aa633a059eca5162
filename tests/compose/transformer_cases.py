"""Every transformer with a log-Jacobian, on rows that it takes."""

import numpy as np
from scipy.special import expit, logit
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sklgen.compose import TabularEncoder

AFFINE = {
    "standard": StandardScaler(),
    "standard-no-std": StandardScaler(with_std=False),
    "min-max": MinMaxScaler((-3, 5)),
    "max-abs": MaxAbsScaler(),
    "robust": RobustScaler(quantile_range=(10, 80)),
    "robust-no-scale": RobustScaler(with_scaling=False),
    "pca": PCA(),
    "pca-whitened": PCA(whiten=True),
    "columns": ColumnTransformer(
        [("b", StandardScaler(), [1])], remainder="passthrough"
    ),
    "columns-nested": ColumnTransformer(
        [("ba", Pipeline([("m", MinMaxScaler()), ("p", PCA(whiten=True))]), [1, 0])]
    ),
    "pipeline": make_pipeline(RobustScaler(), "passthrough", PCA(whiten=True)),
    "passthrough": "passthrough",
    "none": None,
    "identity": FunctionTransformer(),
}
# Their image is all numbers, or the whole box is where the data are.
CURVED = {
    "yeo-johnson": PowerTransformer(),
    "yeo-johnson-raw": PowerTransformer(standardize=False),
    "box-cox": PowerTransformer("box-cox"),
    "box-cox-raw": PowerTransformer("box-cox", standardize=False),
    "quantile-uniform": QuantileTransformer(n_quantiles=15),
    "quantile-normal": QuantileTransformer(
        n_quantiles=15, output_distribution="normal"
    ),
    "encoder": TabularEncoder(),
    "columns-curved": ColumnTransformer(
        [
            ("a", PowerTransformer(), [0]),
            ("b", FunctionTransformer(np.log, np.exp), [1]),
        ]
    ),
    "pipeline-curved": make_pipeline(
        FunctionTransformer(np.log, np.exp), PowerTransformer(), PCA(whiten=True)
    ),
    "log": FunctionTransformer(np.log, np.exp),
    "log2": FunctionTransformer(np.log2, np.exp2),
    "log10": FunctionTransformer(np.log10, lambda x: 10**x),
    "log1p": FunctionTransformer(np.log1p, np.expm1),
    "exp": FunctionTransformer(np.exp, np.log),
    "expm1": FunctionTransformer(np.expm1, np.log1p),
    "sqrt": FunctionTransformer(np.sqrt, np.square),
    "cbrt": FunctionTransformer(np.cbrt, lambda x: x**3),
    "arcsinh": FunctionTransformer(np.arcsinh, np.sinh),
    "sinh": FunctionTransformer(np.sinh, np.arcsinh),
    "tanh": FunctionTransformer(np.tanh, np.arctanh),
    "arctanh": make_pipeline(
        FunctionTransformer(expit, logit), FunctionTransformer(np.arctanh, np.tanh)
    ),
    "expit": FunctionTransformer(expit, logit),
    "logit": make_pipeline(
        FunctionTransformer(np.tanh, np.arctanh), FunctionTransformer(logit, expit)
    ),
}
TRANSFORMERS = AFFINE | CURVED


def positive_rows(n_rows=300, seed=0):
    """Two clusters of positive numbers, with dependence; in few units, far from 0."""
    rng = np.random.default_rng(seed)
    label = rng.random(n_rows) < 0.4
    noise = rng.normal(size=(n_rows, 2)) @ np.array([[0.2, 0.1], [0.0, 0.25]])
    return np.exp(noise + np.where(label[:, None], [0.6, -0.5], [-0.4, 0.2]))
