"""report.html in a headless browser: whole, self-contained, and no wider than the screen."""

import math
import re
import shutil
import struct
import subprocess
import warnings

import numpy as np
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st

from verification.report import Results
from verification.report.html import Html, table, tag
from verification.report.mathematics import rendered
from verification.report.plots import plots_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--disable-dev-shm-usage", "--enable-logging=stderr", "--v=0"),
)
# asks the laid-out page for what only a browser knows, and writes the answers into its title
PROBE = """
<script>
addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter((e) => {
    const inside = e.closest(".scroll, .formula, pre, svg");
    const box = e.getBoundingClientRect();
    return (!inside || inside === e) && box.right > innerWidth + 0.5;
  });
  const formula = document.querySelector("math");
  const plot = document.querySelector("figure svg");
  const size = (e) => (e ? e.getBoundingClientRect() : { width: 0, height: 0 });
  document.documentElement.dataset.probe = [
    innerWidth, document.documentElement.scrollWidth, wide.length,
    Math.round(size(formula).height), Math.round(size(plot).width), Math.round(size(plot).height),
  ].join(" ");
});
</script>
"""


def browser(tmp_path, *arguments):
    done = subprocess.run(
        [CHROMIUM, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done


@needs_chromium
@pytest.mark.parametrize(("width", "name"), [(1280, "wide"), (500, "phone")])
@pytest.mark.parametrize("run", ["everything", "agreeing"])
def test_the_page_fits_the_screen(run, width, name, tmp_path, request):
    ran = request.getfixturevalue(run)
    page = tmp_path / "probed.html"
    page.write_text((ran.folder / "report.html").read_text().replace("</body>", PROBE + "</body>"))
    # headless windows have a least width of 500; a frame makes the layout as narrow as a phone
    narrow = 360 if name == "phone" else width
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe id="f" src="probed.html" style="width:{narrow}px;height:800px;border:0"></iframe>'
        "<script>f.onload = () => { document.title = "
        "f.contentDocument.documentElement.dataset.probe; }</script>"
    )
    done = browser(
        tmp_path,
        f"--window-size={width + 40},900",
        *("--allow-file-access-from-files", "--virtual-time-budget=3000", "--dump-dom"),
        frame.as_uri(),
    )
    (probe,) = re.findall(r"<title>([^<]*)</title>", done.stdout)
    inner, scrolled, too_wide, formula, plot_width, plot_height = map(int, probe.split())
    assert inner == narrow
    assert scrolled <= narrow
    assert too_wide == 0
    assert formula >= 15  # MathML is laid out, not shown as text of no height
    assert plot_width >= 200
    assert plot_height >= 120
    assert "CONSOLE" not in done.stderr


@needs_chromium
def test_the_browser_sees_verdicts_formulas_plots_and_controls(everything, tmp_path):
    done = browser(tmp_path, "--dump-dom", (everything.folder / "report.html").as_uri())
    assert "CONSOLE" not in done.stderr
    dom = done.stdout
    for word in ("HOLDS", "VIOLATED", "UNDECIDED", "NOT_APPLICABLE", "SOLVER_FAILED"):
        assert re.search(rf'class="badge {word}" title="[^"]+">{word} \d+</span>', dom)
    for word in ("caught", "missed"):
        assert f'<span class="badge {word}">{word}</span>' in dom
    assert dom.count("<section") == 8  # the claims, and one each for six and the witnesses
    assert "<math" in dom
    assert "<svg" in dom
    assert "the exponent is twice as large as proved" in dom
    assert "Traceback" in dom  # of the failing claim, in its provenance


@needs_chromium
def test_a_picture_of_the_page_can_be_taken(agreeing, tmp_path):
    picture = tmp_path / "page.png"
    browser(
        tmp_path,
        *("--window-size=800,1200", f"--screenshot={picture}"),
        (agreeing.folder / "report.html").as_uri(),
    )
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    assert (width, height) == (800, 1200)


@pytest.mark.parametrize("run", ["everything", "agreeing"])
def test_the_page_asks_nothing_of_the_network(run, request):
    text = (request.getfixturevalue(run).folder / "report.html").read_text()
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", text)
    assert "<script" not in text
    assert "@import" not in text
    links = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))
    assert links
    assert links <= set(re.findall(r'id="([^"]+)"', text))


def test_ids_are_unique(everything):
    found = re.findall(r'\sid="([^"]+)"', (everything.folder / "report.html").read_text())
    assert len(found) == len(set(found))


def test_the_report_can_be_written_again(agreeing):
    from verification.session import rewrite_report

    before = (agreeing.folder / "report.html").read_bytes()
    rewrite_report(agreeing.folder)
    assert (agreeing.folder / "report.html").read_bytes() == before


def test_curves_are_read_back_by_setting_and_witness(agreeing):
    results = Results(agreeing.folder)
    curves = results.curves("agreeing")
    assert set(curves) == {
        *("plain/grid", "plain/numba", "wide/grid", "wide/numba", "wide/numba/look-1")
    }
    dataset = curves["wide/numba"]
    assert dataset["measured"].attrs["units"] == "nats"
    assert list(dataset["time"].values) == [0.1, 0.5, 1.0]
    assert results.curves("no-such-claim") == {}
    rest = len(results.of_claim("witnesses-agree"))
    assert len(results.of_claim("agreeing")) + rest == len(results.findings)


def test_plots_keep_quantities_apart_and_witnesses_together(agreeing):
    grid = Results(agreeing.folder).curves("agreeing")["plain/grid"]
    moments = grid.assign_attrs(quantity="moment")
    steep = grid.assign(measured=grid["measured"] ** 9, bound_other=2 * grid["bound_decay"])
    numbers = grid.drop_vars("measured")
    drawn = plots_of(
        "agreeing",
        {
            "plain/grid": grid,
            "plain/numba": grid,
            "plain/torch": moments,
            "plain/grid/half-noise": moments,
            "steep/grid": steep,
            "empty/grid": numbers,
        },
        ["plain", "steep", "empty"],
    )
    assert len(drawn) == 3
    together, apart, logarithmic = drawn
    assert all(word in together for word in ("grid", "numba", "decay", "KL (nats)"))
    assert "moment" in apart
    assert "torch" in apart
    assert "numba" not in apart
    assert "10" in logarithmic
    assert "other" in logarithmic
    assert all("#000000" not in figure and 'role="img"' in figure for figure in drawn)


SEEN = st.sampled_from([0.0, 1.0, 1e-3, -2.0, 1e9, math.inf, -math.inf, math.nan, 1.7e308, 5e-324])


@given(values=st.lists(st.tuples(SEEN, SEEN, SEEN, SEEN), min_size=2, max_size=4))
@settings(max_examples=25, deadline=None)
def test_plots_leave_out_what_is_infinite(values):
    names = ("measured", "statistical", "numerical", "bound_here")
    columns = np.array(values).T
    columns[1:3] = np.abs(columns[1:3])
    dataset = xarray.Dataset(
        {name: ("time", column) for name, column in zip(names, columns, strict=True)},
        coords={"time": np.arange(1.0, len(values) + 1)},
        attrs={"quantity": "KL"},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (drawn,) = plots_of("claim", {"setting/grid": dataset}, ("setting",))
    assert drawn.startswith("<figure>")


def test_text_is_escaped():
    assert tag("p", "a < b & c", title='"') == '<p title="&quot;">a &lt; b &amp; c</p>'
    assert tag("p", Html("<b>bold</b>")) == "<p><b>bold</b></p>"
    assert tag("details", open=True) == "<details open></details>"
    assert "<script>" not in table(["x"], [["<script>"]])


def test_a_formula_that_cannot_be_laid_out_is_shown_as_it_is(monkeypatch):
    import latex2mathml.converter

    def broken(*_, **__):
        raise ValueError("no")

    assert "<math" in rendered(r"\frac{a}{b}")
    monkeypatch.setattr(latex2mathml.converter, "convert", broken)
    assert rendered(r"\frac{a}{b}") == '<div class="formula"><code>\\frac{a}{b}</code></div>'
