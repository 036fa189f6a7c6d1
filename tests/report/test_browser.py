"""The page in a real browser: it asks for nothing, fits a phone, and can be read by day and by night."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meetsense.report.html import page
from meetsense.values import Analysis
from tests.report import samples

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="Chromium or its driver is not installed")


def initiative() -> Analysis:
    """A meeting with an uptake network drawn as points and arrows."""
    return samples.bound(samples.meeting(8))


def masses() -> Analysis:
    """Twenty people and a network drawn as a grid."""
    return samples.bound(samples.crowd())


def hostile() -> Analysis:
    """Names that would like to be more than names, in the network too."""
    return samples.bound(samples.hostile())


SAMPLES = (samples.meeting, samples.silence, samples.without_words, initiative, hostile, masses)
Browser = Any
"""A selenium driver; the library has no types that are worth following."""

COLOURS = """
const number = text => (text.match(/[\\d.]+/g) || []).map(Number);
const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = rgb => {
  const [r, g, b] = rgb.slice(0, 3).map(v => linear(v / 255));
  return .2126 * r + .7152 * g + .0722 * b;
};
const contrast = (one, other) => {
  const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
  return (a + .05) / (b + .05);
};
"""
"""WCAG 2 relative luminance and contrast."""
CONTRASTS = """
const behind = element => {
  for (let e = element; e; e = e.parentElement) {
    const pill = e.matches('.flag') && e.querySelector('.pill');
    const colour = number(pill ? getComputedStyle(pill).fill : getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return number(getComputedStyle(document.documentElement).backgroundColor);
};
const found = [];
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  if (!own || !element.getClientRects().length) continue;
  const style = getComputedStyle(element);
  const ink = number(element instanceof SVGElement ? style.fill : style.color);
  const name = element.tagName + '.' + element.getAttribute('class');
  found.push([contrast(ink, behind(element)), name, element.textContent]);
}
return found.sort((x, y) => x[0] - y[0]);
"""
BARS = """
const paper = number(getComputedStyle(document.documentElement).backgroundColor);
const bars = [...document.querySelectorAll('.timeline path.bar')];
return bars.map(e => contrast(number(getComputedStyle(e).fill), paper));
"""
ARROWS = """
const paper = number(getComputedStyle(document.documentElement).backgroundColor);
const arrows = [...document.querySelectorAll('.network .way')];
return arrows.map(e => contrast(number(getComputedStyle(e).stroke), paper));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Callable[..., Browser]:
    """Open a page at a width and in a colour scheme."""

    def opened(text: str, width: int = 1280, scheme: str = "light") -> Browser:
        file = tmp_path / "report.html"
        file.write_text(text, encoding="utf-8")
        frame = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", frame)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        browser.get_log("browser")
        browser.get_log("performance")
        browser.get(file.as_uri())
        return browser

    return opened


def requests(browser: Browser) -> list[str]:
    """Addresses that the page asked for and that its own policy did not stop."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    told = [(m["method"], m["params"]) for m in messages]
    stopped = {
        p["requestId"]
        for method, p in told
        if method == "Network.loadingFailed" and p.get("blockedReason") == "csp"
    }
    asked = [p for method, p in told if method == "Network.requestWillBeSent"]
    return [p["request"]["url"] for p in asked if p["requestId"] not in stopped]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.__name__)
def test_nothing_is_asked_for_and_nothing_complained_of(
    show: Callable[..., Browser], sample: Callable[[], Analysis]
) -> None:
    browser = show(page(sample()))
    assert [url for url in requests(browser) if not url.startswith("data:")] == [browser.current_url]
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.compatMode") == "CSS1Compat"


def test_the_policy_stops_what_would_slip_through(show: Callable[..., Browser]) -> None:
    planted = (
        "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
        "<img src='https://example.invalid/x.png'><style>body { display: none }</style></main>"
    )
    browser = show(page(samples.meeting()).replace("</main>", planted))
    assert browser.title == "Weekly planning"
    assert browser.execute_script("return getComputedStyle(document.body).display") == "block"
    assert [url for url in requests(browser) if not url.startswith("data:")] == [browser.current_url]
    assert len(browser.get_log("browser")) >= 4


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.__name__)
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_window(
    show: Callable[..., Browser], sample: Callable[[], Analysis], width: int
) -> None:
    browser = show(page(sample()).replace("<details>", "<details open>"), width)
    assert browser.execute_script("return innerWidth") == width
    assert (
        browser.execute_script("const e = document.documentElement; return e.scrollWidth - e.clientWidth")
        == 0
    )
    wide = browser.execute_script(
        "return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > "
        "innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert wide == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_text_and_bars_stand_out(show: Callable[..., Browser], scheme: str, width: int) -> None:
    text = page(samples.bound(samples.meeting(12))).replace("<details>", "<details open>")
    browser = show(text.replace("</header>", "<aside class=notes>x</aside></header>", 1), width, scheme)
    contrasts = browser.execute_script(COLOURS + CONTRASTS)
    assert len(contrasts) > 300
    assert contrasts[0][0] >= 4.5, contrasts[0]
    bars = browser.execute_script(COLOURS + BARS)
    assert len(bars) >= 4
    assert min(bars) >= 3
    arrows = browser.execute_script(COLOURS + ARROWS)
    assert len(arrows) >= 4
    assert min(arrows) >= 3
    paper = browser.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    assert (paper == "rgb(251, 250, 247)") == (scheme == "light")


def test_evidence_is_one_step_away(show: Callable[..., Browser]) -> None:
    browser = show(page(samples.crowd()))
    browser.execute_script("document.documentElement.style.scrollBehavior = 'auto'")
    from selenium.webdriver.common.by import By

    browser.find_element(By.CSS_SELECTOR, "#d2 .ledger a").click()
    seen = (
        "const box = document.querySelector(':target').getBoundingClientRect(); return [box.top, box.bottom]"
    )
    top, bottom = browser.execute_script(seen)
    assert browser.current_url.endswith("#u7")
    assert 0 <= top < bottom <= 900
    browser.find_element(By.CSS_SELECTOR, "#u7 .tags a").click()
    assert browser.current_url.endswith("#d2")


def test_overlap_is_seen_on_the_screen(show: Callable[..., Browser]) -> None:
    browser = show(page(samples.meeting()), 390)
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('.timeline path.bar')].map(e => e.getBoundingClientRect())"
    )
    assert len(boxes) == 4
    assert all(box["width"] > 100 and box["height"] >= 8 for box in boxes)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("people", [2, 3, 5, 8, 9, 24])
def test_the_network_stays_in_its_frame(show: Callable[..., Browser], width: int, people: int) -> None:
    talk = samples.bound(samples.crowd(people, 12))
    named = tuple(replace(s, name=f"{'Wim' * 9} {i}") for i, s in enumerate(talk.speakers))
    browser = show(page(replace(talk, speakers=named)), width)
    out = browser.execute_script(
        "const frame = document.querySelector('svg.network').getBoundingClientRect();"
        "const boxes = [...document.querySelectorAll('svg.network *')].map(e => e.getBoundingClientRect());"
        "return [frame.width, boxes.length, boxes.filter(b => b.left < frame.left - 1 || "
        "b.right > frame.right + 1 || b.top < frame.top - 1 || b.bottom > frame.bottom + 1).length]"
    )
    assert out[0] > 300
    assert out[1] > people
    assert out[2] == 0
