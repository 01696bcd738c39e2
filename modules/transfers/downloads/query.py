"""The parameters and media types of downloads."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, Field

from modules.transfers.downloads.csv_file import CsvStyle

Separator = Literal[",", ";", "tab"]
DecimalMark = Literal[".", ","]
SEPARATORS: tuple[Separator, ...] = get_args(Separator)
DECIMALS: tuple[DecimalMark, ...] = get_args(DecimalMark)

CSV, NDJSON, XLSX = "csv", "ndjson", "xlsx"

MEDIA_TYPES = {
    NDJSON: "application/x-ndjson",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    CSV: "text/csv; charset=utf-8",
}
# What to look for in `Accept`.
_ACCEPTED = {NDJSON: "ndjson", XLSX: MEDIA_TYPES[XLSX], CSV: "text/csv"}


class StyleQuery(BaseModel):
    """The style of CSV files."""

    separator: Annotated[
        Separator,
        Field(description="The character between the cells of a CSV file. Other formats ignore this.", examples=[";"]),
    ] = ","
    decimal: Annotated[
        DecimalMark,
        Field(
            description="The decimal mark of numbers in a CSV file. With `,`, spreadsheets expect `separator=;`. "
            "Other formats ignore this.",
            examples=[","],
        ),
    ] = "."

    @property
    def style(self) -> CsvStyle:
        """The style of a CSV file."""
        return CsvStyle("\t" if self.separator == "tab" else self.separator, self.decimal)


class TableQuery(StyleQuery):
    """The format of a table that is JSON by default."""

    format: Annotated[
        Literal["csv", "xlsx"] | None,
        Field(description="Download a file of this format instead of JSON. Takes precedence over `Accept`."),
    ] = None

    def chosen(self, accept: str) -> str | None:
        """Return the format of the file, or None for JSON."""
        return self.format or accepted(accept, XLSX, CSV)


def accepted(accept: str, *offered: str) -> str | None:
    """Return the first of the offered file formats that an `Accept` header names, if any."""
    return next((name for name in offered if _ACCEPTED[name] in accept), None)
