"""All effects: sessions, tables, files, the ledger. Alone imports deltalake."""
