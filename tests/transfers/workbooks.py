"""Workbooks that tests make from XML, so that they can be odd or broken in any way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZIP_DEFLATED, ZipFile

from tests.transfers.helpers import JSON

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODS = "application/vnd.oasis.opendocument.spreadsheet"

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"

# Number formats of cells (ECMA-376-1, 18.8.30): the index in this list is the style of a cell.
GENERAL, DATE, PERCENT, TIME, DURATION, DECIMAL_PERCENT, QUOTED_PERCENT = range(7)
_FORMATS = (0, 14, 9, 21, 46, 164, 165)
_CELL_FORMATS = "".join(f'<xf numFmtId="{number}"/>' for number in _FORMATS)
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><numFmts><numFmt numFmtId="164" formatCode="0.0%"/>'
    '<numFmt numFmtId="165" formatCode="0&quot;%&quot;"/></numFmts><cellStyleXfs><xf numFmtId="9"/></cellStyleXfs>'
    f"<cellXfs>{_CELL_FORMATS}</cellXfs></styleSheet>"
)

_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_NAMES = (
    f'xmlns:office="{_ODF}:office:1.0" xmlns:table="{_ODF}:table:1.0" xmlns:text="{_ODF}:text:1.0" '
    'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
)


class Cell(NamedTuple):
    """A cell of an XLSX file that is not just a text or a number."""

    value: float | str
    style: int = GENERAL
    kind: str = "n"


class Xml(str):
    """A cell or a row as it stands in the file."""

    __slots__ = ()


Value = str | float | bool | Cell | Xml | None


@dataclass
class Sheet:
    """A sheet of an XLSX file: its rows, its merged ranges, and whether it is `visible`, `hidden` or `veryHidden`."""

    name: str
    rows: Sequence[Sequence[Value] | Xml]
    state: str = "visible"
    merged: Sequence[str] = field(default_factory=list)


def error(text: str) -> Cell:
    """Return a cell whose formula has an error."""
    return Cell(text, kind="e")


def xlsx(*sheets: Sheet, parts: Mapping[str, str | bytes] | None = None) -> bytes:
    """Return an XLSX file, with other parts in it or instead of its own."""
    names = "".join(
        f'<sheet name={quoteattr(sheet.name)} sheetId="{number}" state="{sheet.state}" r:id="r{number}"/>'
        for number, sheet in enumerate(sheets, 1)
    )
    links = "".join(
        f'<Relationship Id="r{number}" Type="{_LINKS}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number, _ in enumerate(sheets, 1)
    )
    return archive(
        {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
            "_rels/.rels": (
                f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
                f'Type="{_LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
            ),
            "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>{names}</sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>',
            "xl/styles.xml": _STYLES,
            **{f"xl/worksheets/sheet{number}.xml": _worksheet(sheet) for number, sheet in enumerate(sheets, 1)},
            **(parts or {}),
        }
    )


def workbook(*rows: Sequence[Value] | Xml, merged: Sequence[str] = ()) -> bytes:
    """Return an XLSX file with one sheet."""
    return xlsx(Sheet("Class", rows, merged=merged))


def _worksheet(sheet: Sheet) -> str:
    rows = "".join(
        row if isinstance(row, Xml) else f'<row r="{number}">{"".join(map(_xlsx_cell, row))}</row>'
        for number, row in enumerate(sheet.rows, 1)
    )
    merged = "".join(f'<mergeCell ref="{one}"/>' for one in sheet.merged)
    ranges = f"<mergeCells>{merged}</mergeCells>" if merged else ""
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData>{ranges}</worksheet>'


def _xlsx_cell(value: Value) -> str:
    if isinstance(value, Xml):
        return value
    if value is None:
        return "<c/>"
    if isinstance(value, Cell):
        return f'<c t="{value.kind}" s="{value.style}"><f>A1</f><v>{value.value}</v></c>'
    if isinstance(value, bool):
        return f'<c t="b"><v>{value:d}</v></c>'
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f"<c><v>{value!r}</v></c>"


def ods(*rows: Sequence[Value] | Xml, name: str = "Class", parts: Mapping[str, str | bytes] | None = None) -> bytes:
    """Return an ODS file with one sheet, with other parts in it or instead of its own."""
    content = "".join(
        row if isinstance(row, Xml) else f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>"
        for row in rows
    )
    return archive(
        {
            "mimetype": ODS,
            "META-INF/manifest.xml": manifest(),
            "content.xml": (
                f"<office:document-content {_NAMES}><office:body><office:spreadsheet><table:table table:name="
                f"{quoteattr(name)}>{content}</table:table></office:spreadsheet></office:body></office:document-content>"
            ),
            **(parts or {}),
        }
    )


def manifest(entries: str = "") -> str:
    """Return the manifest of an ODS file."""
    return (
        f'<manifest:manifest xmlns:manifest="{_ODF}:manifest:1.0"><manifest:file-entry manifest:full-path="/" '
        f'manifest:media-type="{ODS}"/>{entries}</manifest:manifest>'
    )


def _ods_cell(value: Value) -> str:
    if isinstance(value, Xml):
        return value
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, bool):
        return ods_cell("boolean", "TRUE", f'office:boolean-value="{str(value).lower()}"')
    if isinstance(value, str):
        return ods_cell("string", escape(value))
    return ods_cell("float", str(value), f'office:value="{value!r}"')


def ods_cell(kind: str, text: str, attributes: str = "") -> Xml:
    """Return a cell of an ODS file with a type of value, the text that is shown, and other attributes."""
    return Xml(f'<table:table-cell office:value-type="{kind}" {attributes}><text:p>{text}</text:p></table:table-cell>')


def archive(parts: Mapping[str, str | bytes]) -> bytes:
    """Return a zip archive."""
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return buffer.getvalue()


def errors_of(report: JSON) -> list[tuple[int, str, str, str]]:
    """Return the line, the column, the value and the code of each error in a report."""
    return [(one["line"], one["field"], one["value"], one["code"]) for one in report["errors"]]
