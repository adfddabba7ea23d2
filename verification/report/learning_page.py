"""report.html of a training run: one page that needs no network, no script and no other file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from .. import wording
from ..training.watch import LEAST_ACCEPTANCE
from .html import Html, join, table, tag

if TYPE_CHECKING:
    import xarray

    from ..training.folder import RunFolder


def render(folder: RunFolder) -> str:
    """The page of a finished run, from what its folder holds."""
    run, config = folder.run(), folder.config()
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    title = f"lvebm train: {config.title}"
    samples = folder.read_dataset(folder.results_file, "samples")
    path = folder.read_dataset(folder.curves_file, "path")
    readings = folder.read_dataset(folder.curves_file, "readings")
    reconstruction = folder.read_dataset(folder.results_file, "reconstruction")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Html(style)),
    )
    parts: list[str] = [tag("h1", title)]
    if samples is not None:
        parts += [_banner(samples), _scores(samples), _densities(samples)]
    if reconstruction is not None:
        parts.append(_reconstruction(reconstruction))
    if path is not None and readings is not None and readings.sizes["look"]:
        parts += [_training(path, readings), _theta(path)]
    parts += [_settings(run["config"]), _where(folder, run, samples)]
    return "<!doctype html>\n" + tag("html", head, tag("body", *parts), lang="en") + "\n"


def _section(title: str, *parts: str) -> Html:
    return tag("section", tag("h2", title), *parts)


def _banner(samples: xarray.Dataset) -> Html:
    signs = json.loads(samples.attrs["signs"])
    scores = json.loads(samples.attrs["scores"])
    if signs:
        said = (
            "Signs of divergence stood at the end; this page is of the last good state, at update "
            f"{samples.attrs['update']}. " + "; ".join(signs)
        )
        return tag("p", said, class_="banner status-1")
    if warning := scores.get("warning"):
        return tag("p", f"{warning}.".capitalize(), class_="banner status-1")
    ratio = "—" if scores["ratio"] is None else f"{scores['ratio']:.3g}"
    said = (
        f"At n = {scores['n']} the learned law is {ratio} times as far from the true one, in "
        "sliced W2, as two true samples are from each other."
    )
    return tag("p", said, class_="banner status-0")


def _pairs(rows: Mapping[str, str]) -> Html:
    return tag(
        "dl", *(tag(k, v) for row in rows.items() for k, v in zip(("dt", "dd"), row, strict=True))
    )


def _scores(samples: xarray.Dataset) -> Html:
    scores = json.loads(samples.attrs["scores"])
    note = (
        f"Distances over {scores['blocks']} pairs of samples, in the units in which the model sees "
        f"the data; intervals at a confidence of {100 * scores['confidence']:g} %."
    )
    more = [tag("p", said, class_="quiet") for said in scores["notes"]]
    return _section(
        "Learned against true",
        _pairs(json.loads(samples.attrs["words"])),
        tag("p", note, class_="quiet"),
        *more,
    )


def _densities(samples: xarray.Dataset) -> Html:
    from .learning_pictures import density_pictures

    return _section("Densities", tag("div", *density_pictures(samples), class_="plots wide"))


def _reconstruction(reconstruction: xarray.Dataset) -> Html:
    from .learning_pictures import reconstruction_pictures

    drawn = reconstruction_pictures(reconstruction)
    return _section("Reconstruction", tag("div", *drawn, class_="plots"))


def _training(path: xarray.Dataset, readings: xarray.Dataset) -> Html:
    from .learning_pictures import training_pictures

    last = readings.isel(look=-1)
    acceptance = float(last["acceptance"])
    facts = {
        "updates": str(int(last["update"])),
        "time": wording.duration(float(last["seconds"])),
        "J, energy part": f"{float(last['pool_energy'] - last['conditional_energy']):.4g}",
        "norm of the gradient": f"{float(last['gradient_norm']):.3g}",
        "acceptance of the pool": f"{100 * acceptance:.0f} %",
    }
    parts: list[str] = [_pairs(facts)]
    if acceptance < LEAST_ACCEPTANCE:
        said = (
            "The pool's step is long: a Metropolis test would refuse most moves, so the unadjusted "
            "chain samples another law than the model's. Lower training.pool_step."
        )
        parts.append(tag("p", said, class_="banner status-2"))
    drawn = training_pictures(path, readings)
    return _section("Training", *parts, tag("div", *drawn, class_="plots"))


def _theta(path: xarray.Dataset) -> Html:
    if "theta" not in path:
        return Html()
    names = [str(name) for name in path["parameter"].values]
    first, last = path["theta"].values[0], path["theta"].values[-1]
    rows = [[name, f"{a:.6g}", f"{b:.6g}"] for name, a, b in zip(names, first, last, strict=True)]
    listed = table(("parameter", "first recorded", "learned"), rows, numeric=(1, 2))
    return _section("Theta", listed)


def _settings(config: Mapping[str, Any]) -> Html:
    rows = [[key, value] for key, value in _flat(config)]
    return _section(
        "Settings",
        tag("details", tag("summary", f"{len(rows)} keys"), table(("key", "value"), rows)),
    )


def _flat(content: Mapping[str, Any], where: str = "") -> Iterable[tuple[str, str]]:
    for key, value in content.items():
        name = f"{where}.{key}" if where else key
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        else:
            yield name, json.dumps(value, ensure_ascii=False)


def _where(folder: RunFolder, run: Mapping[str, Any], samples: xarray.Dataset | None) -> Html:
    path = folder.path.resolve()
    rows = {
        "folder": str(path),
        "checkpoint": folder.checkpoint.name
        + ("" if samples is None else f", after update {samples.attrs['update']}"),
        "stored data": f"{folder.curves_file.name}, {folder.results_file.name} (netCDF)",
        "version": str(run["version"]),
    }
    commands = [
        f"lvebm sample {folder.path} -n 1000 --out samples.csv",
        f"lvebm evaluate {folder.path}",
        f"lvebm reconstruct {folder.path} --data rows.csv --missing 0",
    ]
    return _section("Where it lies", _pairs(rows), tag("pre", join([c + "\n" for c in commands])))
