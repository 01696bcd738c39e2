"""The codes of errors and findings in files, and of errors in the parameters of imports, with explanations."""

from modules.transfers.columns.derived import DOUBTS

ERROR_CODES = {
    "absent": "With `mode=update`, the row has the roll number of no student.",
    "busy": "Others changed the student again and again during the import. Import the row again.",
    "column_subject": "The name of a subject in `columns` has a comma, a colon or a quotation mark.",
    "column_target": "`columns` takes a column for something that does not exist; `detail` lists what columns can be.",
    "duplicate": "An earlier row of the file has the same roll number.",
    "encoding_assumed": "The file is not UTF-8, so Windows-1252 was assumed. Name its encoding with `encoding`.",
    "erased": "The error is no longer stored, because a student was erased permanently.",
    "form_fields": "The form has fields other than `file`.",
    "form_file": "The form has no file in the field `file`, or is truncated.",
    "formula_error": "The cell has a formula, or an error of one such as `#REF!`. Correct it, and save its value.",
    "column_scale": "The name of the column, such as `Math (50)`, may state the highest mark. Name it with `scale`.",
    "identity_date": "A spreadsheet may have made a date of the roll number. If it is right, use `identity=exact`.",
    "identity_decimal": "A program may have written the roll number, a whole number, with decimals. If it is right, "
    "use `identity=exact`.",
    "identity_other": "The row would give a student the name of another one with a similar roll number. If it is "
    "right, use `identity=exact`.",
    "identity_similar": "The roll number differs only in its notation from that of a student or of an earlier row. If "
    "it is right, use `identity=exact`.",
    "list": "The parameter is not a comma-separated list. Quote items that contain a comma.",
    "mark_date": "The cell has a date. A spreadsheet may have made it of a mark such as `3/10`.",
    "mark_fraction": "The cell has a fraction. Name the highest mark of the column with `scale`.",
    "mark_notation": "The number has an exponent. Write it with digits only.",
    "mark_percent": "The cell has a percentage. Name the highest mark of the column with `scale`.",
    "mark_scale": "The mark does not fit the `scale` of its column.",
    "mark_separator": "The sign in the number may separate decimals or thousands. Say which with `decimal`.",
    "more": "The row has further errors, which are not listed.",
    "name_similar": "The name differs from the stored one in one letter. If it is right, use `identity=exact`.",
    "narrow_column": "A program wrote `###`, because the column was too narrow. Make it wider, and save again.",
    "not_a_student": "The row looks like maxima, averages, a note or a second header. Leave it out with `ignore_rows`.",
    "numbering": "The parameter is not of the form `number:PREFIX`.",
    "pair": "The parameter is not a list of pairs such as `ID number:roll_no`.",
    "ragged": "The row has something in a cell to the right of the last column.",
    "renamed": "The student's roll number changed during the import, and another row has the other roll number.",
    "roll_no_mended": "Characters that a roll number cannot have were replaced by `-`, as `mend` asks.",
    "rows_ignored": "Rows were left out, as `ignore_rows` asks.",
    "scale": "The scale of a subject is not a number above 0.",
    "subject_stored_as": "A subject is stored in another case, width or Unicode form, or was written by an alias.",
    "subject_similar": "The column would be a new subject, but looks like another one.",
    "unnamed_column": "The row has something in a column that has no name.",
    **{f"column_{code}": f"The column {doubt}, so it may not hold marks." for code, doubt in DOUBTS.items()},
}
