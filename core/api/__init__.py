"""The API's manners: errors, conditions, pages and fields are alike in every module."""
