"""One encrypted file: tables, transactions, keys."""
