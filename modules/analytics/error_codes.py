"""The codes of errors in the parameters of statistics and report cards, with explanations."""

ERROR_CODES = {
    "other_branch": "The student is in another branch than the one to compare within; `detail` names the student's.",
}
