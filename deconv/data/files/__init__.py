"""Sources whose items are read: files, folders, archives, and the sets that libraries carry."""
