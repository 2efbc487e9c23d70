"""Conditions on rows, as the field row_filters has them: their words, and the values that are made of them."""
