"""The tables of numbers that ship with the package, in the style of scikit-learn."""

from typing import Any

from sklgen.datasets._reader import load_table


def load_acidity(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the acidity of 155 lakes in Wisconsin.

    An index of the acidity of lakes in north-central Wisconsin, a classic test for
    mixtures of two or three Gaussians in one dimension.

    - ``acidity``: logarithm of (acid neutralising capacity + 50), the capacity in
      microequivalents per litre

    Licence: Published measurements; cite the references.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        data : {ndarray, DataFrame} of shape (155, 1)
            The columns above.
        target, target_names : None
            The table has none.
        feature_names : list of str
            The columns of `data`.
        frame : DataFrame of shape (155, 1) or None
            All columns, if `as_frame` is True.
        DESCR, filename, data_module : str
            The text above, and where the table lies.

    (data, target) : tuple if ``return_X_y`` is True
        The data described above, and None.

    See Also
    --------
    load_galaxies : Another classic for mixtures in one dimension.

    References
    ----------
    .. [1] S. L. Crawford, M. H. DeGroot, J. B. Kadane and M. J. Small (1992).
       Modeling lake-chemistry distributions: approximate Bayesian methods for
       estimating a finite-mixture model. Technometrics 34, 441-453.
    .. [2] S. L. Crawford (1994). An application of the Laplace method to finite
       mixture distributions. Journal of the American Statistical Association 89,
       259-267.

    Examples
    --------
    >>> from sklgen.datasets import load_acidity
    >>> X = load_acidity().data
    >>> X.shape
    (155, 1)
    >>> round(float(X.mean()), 3)
    5.105
    """
    return load_table(load_acidity, return_X_y=return_X_y, as_frame=as_frame)


def load_diabetes_classes(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load three blood measurements of 145 adults, with their diagnosis.

    Non-obese adults with no diabetes (Normal), a subclinical form (Chemical) or a
    clinical form (Overt). The classes overlap and have very different covariances,
    which makes the table a classic for mixtures with full covariances. Values and
    names are those of the R package mclust.

    - ``glucose``: area under the plasma glucose curve after a three-hour oral glucose
      tolerance test
    - ``insulin``: area under the plasma insulin curve in the same test
    - ``sspg``: steady state plasma glucose
    - ``class``: the diagnosis, which is the target

    Licence: Published measurements; cite the reference.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame and `target` a categorical Series.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        data : {ndarray, DataFrame} of shape (145, 3)
            The columns above, without the target.
        target : {ndarray, Series} of shape (145,)
            The diagnosis: integers into `target_names`, or labels in a frame.
        target_names : ndarray of shape (3,)
            The labels: Chemical (36), Normal (76), Overt (33).
        feature_names : list of str
            The columns of `data`.
        frame : DataFrame of shape (145, 4) or None
            All columns, if `as_frame` is True.
        DESCR, filename, data_module : str
            The text above, and where the table lies.

    (data, target) : tuple if ``return_X_y`` is True
        The two objects described above.

    See Also
    --------
    sklearn.datasets.load_diabetes : A different table: diabetes progression.

    References
    ----------
    .. [1] G. M. Reaven and R. G. Miller (1979). An attempt to define the nature of
       chemical diabetes using a multidimensional analysis. Diabetologia 16, 17-24.

    Examples
    --------
    >>> from sklgen.datasets import load_diabetes_classes
    >>> diabetes = load_diabetes_classes()
    >>> diabetes.data.shape
    (145, 3)
    >>> diabetes.target_names.tolist()
    ['Chemical', 'Normal', 'Overt']
    """
    return load_table(
        load_diabetes_classes,
        return_X_y=return_X_y,
        as_frame=as_frame,
        target_name="class",
    )


def load_earthquakes(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the yearly counts of large earthquakes, 1900 to 2006.

    The number of earthquakes of magnitude 7 or more in the world, a classic for hidden
    Markov models with Poisson emissions: the counts are overdispersed and dependent
    from year to year. Rows are in order of time.

    - ``year``: calendar year
    - ``count``: earthquakes of magnitude 7 or more in that year

    Licence: Compiled by the United States Geological Survey, public domain.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        data : {ndarray, DataFrame} of shape (107, 2)
            The columns above.
        target, target_names : None
            The table has none.
        feature_names : list of str
            The columns of `data`.
        frame : DataFrame of shape (107, 2) or None
            All columns, if `as_frame` is True.
        DESCR, filename, data_module : str
            The text above, and where the table lies.

    (data, target) : tuple if ``return_X_y`` is True
        The data described above, and None.

    See Also
    --------
    load_galaxies : A table without an order of rows.

    References
    ----------
    .. [1] United States Geological Survey. Earthquake catalog.
    .. [2] W. Zucchini and I. L. MacDonald (2009). Hidden Markov Models for Time
       Series: An Introduction Using R. Chapman & Hall/CRC, table 1.1.

    Examples
    --------
    >>> from sklgen.datasets import load_earthquakes
    >>> year, count = load_earthquakes().data.T
    >>> int(count.sum())
    2072
    >>> int(year[count.argmax()])
    1943
    """
    return load_table(load_earthquakes, return_X_y=return_X_y, as_frame=as_frame)


def load_galaxies(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the velocities of 82 galaxies.

    Galaxies from six well-separated conic sections of space towards the Corona Borealis
    region. Gaps in the velocities show voids and superclusters, and the number of
    clusters has been debated ever since. The 78th value is 26690, as in most studies of
    the table; the source has 26960.

    - ``velocity_km_s``: velocity away from us, in kilometres per second

    Licence: Published measurements; cite the references.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        data : {ndarray, DataFrame} of shape (82, 1)
            The columns above.
        target, target_names : None
            The table has none.
        feature_names : list of str
            The columns of `data`.
        frame : DataFrame of shape (82, 1) or None
            All columns, if `as_frame` is True.
        DESCR, filename, data_module : str
            The text above, and where the table lies.

    (data, target) : tuple if ``return_X_y`` is True
        The data described above, and None.

    See Also
    --------
    load_acidity : Another classic for mixtures in one dimension.

    References
    ----------
    .. [1] M. Postman, J. P. Huchra and M. J. Geller (1986). Probes of large-scale
       structure in the Corona Borealis region. Astronomical Journal 92, 1238-1247.
    .. [2] K. Roeder (1990). Density estimation with confidence sets exemplified by
       superclusters and voids in the galaxies. Journal of the American Statistical
       Association 85, 617-624.

    Examples
    --------
    >>> from sklgen.datasets import load_galaxies
    >>> X = load_galaxies().data
    >>> X.shape
    (82, 1)
    >>> X.min(), X.max()
    (np.float64(9172.0), np.float64(34279.0))
    """
    return load_table(load_galaxies, return_X_y=return_X_y, as_frame=as_frame)


def load_old_faithful(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load 272 eruptions of the Old Faithful geyser.

    Eruptions of the geyser in Yellowstone National Park, which come in two kinds: a
    short eruption is followed by a short wait, a long one by a long wait.

    - ``duration``: duration of the eruption in minutes
    - ``waiting``: time to the next eruption in minutes
    - ``kind``: long or short, which is the target

    Licence: Published measurements; cite the reference.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame and `target` a categorical Series.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        data : {ndarray, DataFrame} of shape (272, 2)
            The columns above, without the target.
        target : {ndarray, Series} of shape (272,)
            The kind of eruption: integers into `target_names`, or labels in a frame.
        target_names : ndarray of shape (2,)
            The labels: long (172), short (100).
        feature_names : list of str
            The columns of `data`.
        frame : DataFrame of shape (272, 3) or None
            All columns, if `as_frame` is True.
        DESCR, filename, data_module : str
            The text above, and where the table lies.

    (data, target) : tuple if ``return_X_y`` is True
        The two objects described above.

    See Also
    --------
    load_penguins : A table with mixed columns and missing values.

    References
    ----------
    .. [1] A. Azzalini and A. W. Bowman (1990). A look at some data on the Old Faithful
       geyser. Journal of the Royal Statistical Society, Series C 39, 357-365.

    Examples
    --------
    >>> from sklgen.datasets import load_old_faithful
    >>> geyser = load_old_faithful()
    >>> geyser.feature_names
    ['duration', 'waiting']
    >>> geyser.data.mean(axis=0).round(3)
    array([ 3.488, 70.897])
    """
    return load_table(
        load_old_faithful, return_X_y=return_X_y, as_frame=as_frame, target_name="kind"
    )
