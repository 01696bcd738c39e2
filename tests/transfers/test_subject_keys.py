"""Keys that are equal for subjects that may be the same."""

import pytest

from modules.students.identities import MAX_KEY
from modules.transfers.columns.identities import subject_key


@pytest.mark.parametrize(
    "same",
    [
        ["Math", "math", "MATHS", "Maths", " maths ", "marks.math", "Marks.Maths", "Math.", "\uff2d\uff41\uff54\uff48"],
        ["Maths 1", "Math-1", "math_1", "MATH 01", "Maths (1)", "Math1"],
        ["Social Studies", "social_studies", "SocialStudies", "Social - Studies"],
        ["Women's Studies", "womens studies", "Women\u2019s Studies"],
        ["Fran\u00e7ais", "Franc\u0327ais", "FRAN\u00c7AIS"],
        ["\u0939\u093f\u0928\u094d\u0926\u0940", " \u0939\u093f\u0928\u094d\u0926\u0940."],
    ],
)
def test_subjects_that_may_be_the_same_have_one_key(same: list[str]) -> None:
    assert len({subject_key(name) for name in same}) == 1


def test_different_subjects_have_different_keys() -> None:
    subjects = [
        "Math", "Physics", "Physic", "Business", "Busines", "Analysis", "Analysi", "PE", "PES", "C", "C++", "C#",
        "Math 1", "Math 2", "Math 1-1", "Math 11", "\u0915\u0932", "\u0915\u0932\u093e", "marks", "???", "!",
    ]  # fmt: skip

    assert len({subject_key(subject) for subject in subjects}) == len(subjects)


def test_a_key_of_a_long_subject_is_short() -> None:
    assert len(subject_key("a" * 5000)) <= MAX_KEY
    assert subject_key("a" * 5000 + "b") != subject_key("a" * 5000 + "c")
