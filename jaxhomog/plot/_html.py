"""Small pieces of HTML; every text from outside goes through `escape`."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape as escape
from typing import Any

CSS = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#f4f6f8;color:#1d2733;
font:15px/1.55 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:20px 20px 48px}
header{background:#16324f;color:#fff}
header div{max-width:1080px;margin:0 auto;padding:22px 20px}
h1{font-size:1.45rem;margin:0 0 4px;line-height:1.25;overflow-wrap:anywhere}
header p{margin:0;color:#c9d8e8;overflow-wrap:anywhere}
h2{font-size:1.08rem;margin:0 0 10px;color:#16324f}
section{background:#fff;border:1px solid #dfe5ec;border-radius:8px;padding:16px 18px;margin:0 0 16px}
.two{display:grid;grid-template-columns:1fr 1fr;gap:16px}
.two section{margin:0;min-width:0}
.two{margin-bottom:16px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:3px 12px 3px 0;text-align:left;vertical-align:top;font-weight:400;overflow-wrap:anywhere}
th{color:#55657a;white-space:nowrap}
table.numbers td{white-space:nowrap}
table.tensor td,table.tensor th{text-align:right;padding:3px 10px;white-space:nowrap}
table.tensor td.main{background:#eaf2fb;font-weight:600}
.note{color:#55657a;font-size:.9rem;margin:8px 0 0;overflow-wrap:anywhere}
.big{display:flex;flex-wrap:wrap;gap:8px 28px;margin:0}
.big div{min-width:88px}
.big b{display:block;font-size:1.25rem;font-weight:600}
.big span{color:#55657a;font-size:.85rem}
.bad{border-color:#c0392b;background:#fdf1ef}
img{display:block;max-width:100%;height:auto;margin:0 auto}
pre{background:#f0f3f7;border-radius:6px;padding:10px 12px;margin:0;white-space:pre-wrap;overflow-wrap:anywhere;
font:13px/1.5 ui-monospace,"DejaVu Sans Mono",monospace}
@media(max-width:760px){.two{grid-template-columns:1fr}main{padding:12px 10px 32px}section{padding:13px 12px}
body{font-size:14px}table.tensor td,table.tensor th{padding:3px 6px;font-size:.82rem}.wide{overflow-x:auto}
.wide img{max-width:none;width:720px}}
"""


def page(title: str, subtitle: str, body: Iterable[str]) -> str:
    """A whole document that loads nothing.

    Args:
        title: heading, plain text.
        subtitle: line below it, plain text.
        body: sections, HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:;'
        " style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body>"
        f"<header><div><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></div></header><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def section(title: str, *inner: str, kind: str = "") -> str:
    """A titled box; `inner` is HTML."""
    return f'<section class="{kind}"><h2>{escape(title)}</h2>{"".join(inner)}</section>'


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and plain-text values."""
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f'<div class="scroll"><table>{cells}</table></div>'


def rows(head: Sequence[str], lines: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table with a head, plain text; kind "numbers" keeps every cell on one line."""
    top = "".join(f"<th>{escape(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in line) + "</tr>" for line in lines)
    return f'<div class="scroll"><table class="{kind}"><tr>{top}</tr>{body}</table></div>'


def tensor(names: Sequence[str], values: Sequence[Sequence[str]]) -> str:
    """A matrix with its component names; the diagonal stands out."""
    top = "<tr><th></th>" + "".join(f"<th>{escape(n)}</th>" for n in names) + "</tr>"
    body = ""
    for i, (name, line) in enumerate(zip(names, values, strict=True)):
        cells = "".join(f"<td{' class=main' if i == j else ''}>{escape(v)}</td>" for j, v in enumerate(line))
        body += f"<tr><th>{escape(name)}</th>{cells}</tr>"
    return f'<div class="scroll"><table class="tensor">{top}{body}</table></div>'


def big(items: Iterable[tuple[str, str]]) -> str:
    """The few numbers that a reader looks for first."""
    return (
        '<div class="big">'
        + "".join(f"<div><b>{escape(v)}</b><span>{escape(n)}</span></div>" for n, v in items)
        + "</div>"
    )


def note(text: str) -> str:
    """A remark, plain text."""
    return f'<p class="note">{escape(text)}</p>'


def picture(png: bytes, text: str, wide: bool = False) -> str:
    """A figure inside the document.

    Args:
        png: the file.
        text: what it shows, for readers who do not see it.
        wide: on a narrow screen let it scroll instead of shrinking it beyond reading.
    """
    data = base64.b64encode(png).decode("ascii")
    return f'<div class="{"wide" if wide else ""}"><img alt="{escape(text)}" src="data:image/png;base64,{data}"></div>'


def voxel_size(more: Mapping[str, Any]) -> str:
    """The size of a voxel with its unit and who says so, where that is known.

    Args:
        more: the description in a result.
    """
    size = " x ".join(f"{x:.6g}" for x in more["voxel_size"])
    source = {"given": "as given", "file": "from the file", "assumed": "assumed"}.get(more.get("voxel_size_source", ""))
    return f"{size} {more.get('unit', '')}".strip() + (f" ({source})" if source else "")
