"""Reports on pages: the form, the pages of a report, and what makes one."""
