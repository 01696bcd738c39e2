"""Reading of CSV text: quotes, line breaks and separators, as people's programs write them."""

from functools import partial
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from modules.transfers.columns.assignment import is_roll_no
from modules.transfers.files.csv_reader import read_csv, read_layout
from modules.transfers.files.text import open_text
from modules.transfers.options import ColumnOptions
from tests.transfers.helpers import imported, student, students


def rows(folder: Path, content: str | bytes) -> list[tuple[int, list[str]]]:
    """Return the header and the rows of a CSV file, each with its line."""
    path = folder / "class.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    layout = read_layout(path, partial(is_roll_no, options=ColumnOptions()))
    with open_text(path, layout.encoding) as file:
        below = [(row.line, row.cells) for row in read_csv(file, layout) if row]
    return [(layout.header_line, list(layout.header)), *below]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('S1, "Asha Rao", "Physics"', ["S1", "Asha Rao", "Physics"]),
        ('S1,\t"Asha, Rao" \t,"Physics" ', ["S1", "Asha, Rao", "Physics"]),
        (' "S1" , "Asha ""A"" , Rao" ,"" ', ["S1", 'Asha "A" , Rao', ""]),
        ('S1, 5" or 6" ,x', ["S1", ' 5" or 6" ', "x"]),
        ('S1, "As\nha" , "Phy\r\n" ', ["S1", "As\nha", "Phy\r\n"]),
        ('S1, "As"" , ""\n , ha" , ""', ["S1", 'As" , "\n , ha', ""]),
        ("S1, Asha ,", ["S1", " Asha ", ""]),
    ],
)
@pytest.mark.parametrize("separator", [",", ";"])
def test_blanks_around_a_quoted_cell_belong_to_nothing(
    tmp_path: Path, line: str, cells: list[str], separator: str
) -> None:
    text = f"roll_no,name,branch\n{line}\nS2,B,C\n".replace(",", separator)

    read = rows(tmp_path, text)

    assert [row for _, row in read[1:]] == [[cell.replace(",", separator) for cell in cells], ["S2", "B", "C"]]


def test_a_tab_that_separates_is_no_blank(tmp_path: Path) -> None:
    assert rows(tmp_path, 'roll_no\tname\tbranch\nS1 \t "A" \t\t"B"\n')[1][1] == ["S1 ", "A", "", "B"]


def test_a_line_break_in_the_header_counts_as_a_line(tmp_path: Path) -> None:
    assert rows(tmp_path, 'roll_no,"Math\r\n(of 100)"\n\nS1,5\n') == [
        (1, ["roll_no", "Math\r\n(of 100)"]),
        (4, ["S1", "5"]),
    ]


def test_blanks_before_quotes_are_no_part_of_names(teacher: TestClient) -> None:
    imported(teacher, 'roll_no, name, branch, "math"\nS1, "Asha Rao", "Physics", 91\nS2, "Bo Li", "Physics", 80\n')

    assert students(teacher) == {
        "S1": student("Asha Rao", "Physics", math=91),
        "S2": student("Bo Li", "Physics", math=80),
    }


def test_a_subject_with_a_line_break_has_its_whole_name(teacher: TestClient) -> None:
    imported(teacher, 'roll_no,name,branch,"Math\n(of 100)",Physics\nS1,Asha Rao,Physics,91,70\n')

    assert students(teacher) == {
        "S1": student("Asha Rao", "Physics", **{"Math (of 100)": 91, "Physics": 70}),
    }
