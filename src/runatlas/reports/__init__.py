"""Reports of plain values: a page, a table of a document or a spreadsheet, each with what it takes to check it."""
