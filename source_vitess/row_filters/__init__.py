"""Which rows of a table VTTablet sends: conditions on the columns that a table has, as a VStream takes them."""
