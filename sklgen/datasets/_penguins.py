"""The table of mixed columns that ships with the package."""

from typing import Any

from sklgen.datasets._reader import load_table


def load_penguins(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load 344 penguins of the Palmer Archipelago.

    A mixed table with missing cells. As arrays, `data` holds the four measurements; as
    a frame, it has the island and the sex too. ``data.select_dtypes("number")`` takes
    the measurements out of the frame. Two penguins miss all four, and models refuse
    rows without any observed cell in `fit`: ``dropna(how="all")`` after that takes
    them out.

    - ``species``: Adelie, Chinstrap or Gentoo, which is the target
    - ``island``: Biscoe, Dream or Torgersen
    - ``bill_length_mm``: length of the bill in millimetres, 2 missing
    - ``bill_depth_mm``: depth of the bill in millimetres, 2 missing
    - ``flipper_length_mm``: length of the flipper in millimetres, 2 missing
    - ``body_mass_g``: body mass in grams, 2 missing
    - ``sex``: FEMALE or MALE, 11 missing

    Licence: CC0 1.0 (public domain dedication).

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

        data : {ndarray, DataFrame} of shape (344, 4), or (344, 6) as a frame
            The columns above, without the target.
        target : {ndarray, Series} of shape (344,)
            The species: integers into `target_names`, or labels in a frame.
        target_names : ndarray of shape (3,)
            The labels: Adelie (152), Chinstrap (68), Gentoo (124).
        feature_names : list of str
            The columns of `data`.
        frame : DataFrame of shape (344, 7) or None
            All columns, if `as_frame` is True.
        DESCR, filename, data_module : str
            The text above, and where the table lies.

    (data, target) : tuple if ``return_X_y`` is True
        The two objects described above.

    See Also
    --------
    load_old_faithful : A smaller table with numbers only.

    References
    ----------
    .. [1] A. M. Horst, A. P. Hill and K. B. Gorman (2020). palmerpenguins: Palmer
       Archipelago (Antarctica) penguin data. doi:10.5281/zenodo.3960218.
    .. [2] K. B. Gorman, T. D. Williams and W. R. Fraser (2014). Ecological sexual
       dimorphism and environmental variability within a community of Antarctic
       penguins (genus Pygoscelis). PLoS ONE 9(3), e90081.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.datasets import load_penguins
    >>> penguins = load_penguins()
    >>> penguins.data.shape, int(np.isnan(penguins.data).sum())
    ((344, 4), 8)
    >>> X, y = load_penguins(return_X_y=True, as_frame=True)
    >>> X.select_dtypes("number").columns.tolist() == penguins.feature_names
    True
    >>> X["sex"].isna().sum()
    np.int64(11)
    """
    return load_table(
        load_penguins,
        return_X_y=return_X_y,
        as_frame=as_frame,
        target_name="species",
        categories=("island", "sex"),
    )
