"""Elements of a page. Text is escaped where it is written, as every text here goes through them."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping, Sequence

Element = ElementTree.Element
Content = Element | str | None


def element(name: str, /, *content: Content, **attributes: str) -> Element:
    """An element of text and other elements.

    Args:
        name: such as "p".
        *content: in their order; None is left out.
        **attributes: by name; `class_` stands for "class", and `_` inside for "-".
    """
    known = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    made = Element(name, known)
    for each in content:
        if isinstance(each, Element):
            made.append(each)
        elif each is not None and len(made):
            made[-1].tail = (made[-1].tail or "") + each
        elif each is not None:
            made.text = (made.text or "") + each
    return made


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[Content]],
    numbers: Iterable[int] = (),
    **attributes: str,
) -> Element:
    """A table that can be scrolled sideways where it is wider than the page.

    Args:
        headings: of the columns.
        rows: a cell for each column; None stays empty.
        numbers: indices of columns that are set flush right.
        **attributes: of the table.
    """
    numbers = {*numbers}

    def cells(kind, row):
        for index, (heading, cell) in enumerate(zip(headings, row, strict=True)):
            more = {"class_": "number"} if index in numbers else {}
            if kind == "td":
                more["data_label"] = heading
            yield element(kind, cell, **more)

    head = element("thead", element("tr", *cells("th", headings)))
    body = element("tbody", *(element("tr", *cells("td", row)) for row in rows))
    made = element("table", head, body, **attributes)
    return element("div", made, class_="wide", tabindex="0", role="region", aria_label="table")


def words(meanings: Mapping[str, str]) -> Element:
    """What words mean, by word, beside where they stand."""
    parts = []
    for word, meaning in meanings.items():
        parts += [element("dt", word), element("dd", meaning)]
    return element("dl", *parts, class_="words")


def text_of(root: Element) -> str:
    """HTML of an element."""
    return ElementTree.tostring(root, encoding="unicode", method="html")
