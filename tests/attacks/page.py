"""What in a page would run in the browser of who reads it, as a parser sees it."""

import re

from bs4 import BeautifulSoup, Tag

MARK = "owned"
"""Stands in all markup of attackers, so that a page's own scripts are told apart from theirs."""

ADDRESSES = ("href", "src", "srcset", "action", "formaction", "data", "poster", "content")
RUNS = re.compile(r"(?:javascript|vbscript|data):|\d+;\s*url=", re.IGNORECASE)
LEADING = re.compile(r"[\x00-\x20]")


def dangerous(html: str) -> list[str]:
    """Scripts, event handlers and addresses of an attacker that a browser would act on."""
    tags = [
        tag for tag in BeautifulSoup(html, "html.parser").find_all(True) if isinstance(tag, Tag)
    ]
    return [f"<{tag.name}> {found}"[:200] for tag in tags for found in _runs(tag)]


def _runs(tag: Tag) -> list[str]:
    found = []
    if tag.name in ("script", "style", "iframe", "object", "embed", "base") and MARK in str(tag):
        found.append(str(tag))
    for name, value in tag.attrs.items():
        text = value if isinstance(value, str) else " ".join(value)
        if MARK not in text:
            continue
        address = name in ADDRESSES and RUNS.match(LEADING.sub("", text))
        if name.startswith("on") or name == "srcdoc" or address:
            found.append(f"{name}={text}")
    return found
