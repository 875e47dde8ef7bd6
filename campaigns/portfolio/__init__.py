"""Import of creditors' files: from bytes in any dialect to accounts, people and rejected rows."""
