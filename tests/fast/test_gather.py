"""Curves between their measurement and the claim's netCDF file."""

import json

import numpy as np
import pytest
import xarray

from verification.curves_json import curves_from_json, curves_to_json


def test_curves_come_back_to_the_last_bit():
    made = xarray.Dataset(
        {
            "measured": (
                ("time", "kind"),
                np.array([[0.1, np.nan], [np.inf, 1e-310]]),
                {"units": "nats", "least": np.float64(0.1), "range": np.array([1.0, 2.0])},
            ),
            "single": ("time", np.array([0.1, 3.0], dtype=np.float32)),
            "counts": ("time", np.array([1, 2**62])),
            "seen": ("time", np.array([True, False])),
            "alone": 0.3,
        },
        coords={"time": ("time", [0.1, 0.7], {"long_name": "time t"}), "kind": ["a", "ä"]},
        attrs={"quantity": "KL", "datum": 0.1},
    )
    text = json.dumps(curves_to_json(made))
    back = curves_from_json(json.loads(text))
    xarray.testing.assert_identical(back.drop_attrs(), made.drop_attrs())
    assert back.attrs == made.attrs
    assert back["time"].attrs == made["time"].attrs
    assert back["measured"].attrs == {"units": "nats", "least": 0.1, "range": [1.0, 2.0]}
    assert all(back[name].dtype == made[name].dtype for name in made.variables)
    assert json.dumps(curves_to_json(back)) == text


def test_what_is_no_number_and_no_word_is_refused():
    when = xarray.Dataset({"when": ("k", np.array(["2020-01-01"], dtype="datetime64[ns]"))})
    with pytest.raises(TypeError, match="when holds datetime64"):
        curves_to_json(when)
