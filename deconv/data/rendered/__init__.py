"""Sources whose items are made: a function of their number alone."""
