"""The pictures of the page in README: one step (walk.png), and the walk there and back (walk.webp).

    python notebooks/pictures.py

It needs Chromium, playwright, which drives it, and Pillow, which comes with matplotlib:
pip install playwright. The text is "trans", the model the tiny one of the notebooks.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

import minigpt
from minigpt.tracing.tiny import tiny_model, tiny_tokenizer
from PIL import Image

FOLDER = Path(__file__).parent
STEP = 33  # layer norm's backward pass: the step of walk.png
SECONDS = 0.9  # for each step of walk.webp


def main() -> int:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("pictures.py: no Chromium or Chrome is installed; install one (apt: chromium)")
    trace = minigpt.trace(tiny_model(), "trans", tiny_tokenizer(), targets="ransf")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "walk.html")
        trace.html(page)
        still, frames = photographed(page.as_uri(), len(trace), chromium)
    still.save(FOLDER / "walk.png", optimize=True)
    first, *rest = frames
    milliseconds = int(1000 * SECONDS)
    first.save(
        FOLDER / "walk.webp",
        save_all=True,
        append_images=rest,
        duration=milliseconds,
        loop=0,
        quality=60,
    )
    return 0


def photographed(address: str, steps: int, chromium: str) -> tuple[Image.Image, list[Image.Image]]:
    """walk.png's picture, and one picture for each step."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 1500})
        page.goto(f"{address}#step-{STEP}")
        still = picture(page.screenshot())
        page.set_viewport_size({"width": 1180, "height": 960})
        page.goto(f"{address}#step-0")
        page.reload()
        frames = []
        for _ in range(steps):
            page.evaluate("scrollTo(0, document.querySelector('main').offsetTop)")
            frames.append(smaller(picture(page.screenshot())))
            page.keyboard.press("ArrowRight")
        browser.close()
    return still, frames


def picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def smaller(image: Image.Image) -> Image.Image:
    return image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    raise SystemExit(main())
