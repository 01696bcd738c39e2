"""The codes of errors in the fields of students and in the parameters of their lists, with explanations."""

ERROR_CODES = {
    "bound": "The parameter is not of the form `marks.SUBJECT.gte`, `gt`, `lte` or `lt`.",
    "bound_twice": "Two parameters set the same bound of one subject, written differently.",
    "bound_value": "The bound of a mark is not a single number, such as `40` or `72.5`.",
    "fields": "The list names something that is not a field of a student.",
    "many_words": "The search has more words than allowed.",
    "holder_purge": "A former holder of a roll number is deleted already. Add `purge=true` to erase it.",
    "mark_decimals": "The mark has more than two decimals. Round it; imports do so with `decimals=round`.",
    "mark_range": "The mark is below 0 or above the highest mark, which `detail` states. If a column of a file has "
    "another highest mark, name it with `scale`.",
    "mark_type": "The value is not a number. Leave the mark out if there is none; in imports, `absent` lists the words "
    "for that.",
    "merge_choice": "The two records do not have different values in this field, or the choice is none for this field.",
    "merge_many": "So many records cannot be merged into one.",
    "merge_self": "A record cannot be merged into itself.",
    "no_words": "The search has no letter and no digit.",
    "roll_no_url": "The roll number differs from that in the URL. Leave it out, or use the operation that renames.",
    "sort": "The list names something that students cannot be sorted by; `detail` states what they can be sorted by.",
    "sort_fields": "Students are sorted by one field, or by two different ones.",
    "subject_dollar": "The name of a subject begins with `$`.",
    "subject_dot": "The name of a subject contains a dot.",
    "subject_max": "The highest mark of a subject is a number above 0, up to a million.",
    "subject_max_marks": "Students have higher marks than the maximum allows; `detail` has their number.",
    "subject_same": "The subject is called so already, or is to be merged into itself.",
    "subject_twice": "Two names are those of one subject, in another case, width or Unicode form, or an alias.",
    "subject_url": "The name is that of another subject than the one in the URL. Leave it out, or rename the subject.",
    "subjects": "A student can have up to 100 subjects.",
    "subjects_full": "The subject would be a new one, and there are 5,000 already. Use one of them, or merge some.",
    "time_range": "The time is before the year 1 or after the year 9999, in UTC.",
    "where_conditions": "The condition has more alternatives than allowed.",
    "where_end": "Behind the condition stands something other than `|`. Put a value that has `=`, `<`, `>` or `|` in "
    "double quotes.",
    "where_field": "The condition does not begin with a field; `detail` lists them.",
    "where_operator": "There is no operator, or none that the field has; `detail` lists them.",
    "where_quotes": "A double quote is not ended. Write a double quote in a value twice.",
    "where_value": "The condition has no value, or one that the field cannot have.",
}
