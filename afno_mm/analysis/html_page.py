"""Parts of HTML pages that need no other file: pictures are inside the page."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

STYLE = """body{font:15px sans-serif;margin:1.5em;max-width:1300px}pre{background:#f4f4f4;
padding:.7em;white-space:pre-wrap}figure{display:inline-block;margin:.3em;vertical-align:top;
max-width:330px;font-size:12px;overflow-wrap:anywhere}figure img{max-width:160px}
.bad{outline:3px solid #d00}.colour{display:inline-block;width:1em;height:1em;border:1px solid #888}
span{margin-right:.3em}"""


def escape(value: Any) -> str:
    """Return a value as text for HTML."""
    return html.escape(str(value))


def picture_tag(picture: np.ndarray, size: int = 240, kind: str = 'JPEG') -> str:
    """Return an ``<img>`` of a picture ``(H, W, 3)``, uint8 RGB, with its data inside.

    ``size`` is the longest side in pixels; larger pictures become smaller. ``kind`` is 'JPEG' or
    'PNG'.
    """
    image, file = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((size, size))
    image.save(file, kind, quality=80)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img src="data:image/{kind.lower()};base64,{data}">'


def write_html(path: str | Path, title: str, parts: Sequence[str], style: str = STYLE) -> None:
    """Write a page with a title, which is also its heading, and the parts below it."""
    head = f'<!DOCTYPE html><meta charset="utf-8"><title>{escape(title)}</title>'
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lines = [head, f'<style>{style}</style><h1>{escape(title)}</h1>', *parts]
    Path(path).write_text('\n'.join(lines), encoding='utf-8')
