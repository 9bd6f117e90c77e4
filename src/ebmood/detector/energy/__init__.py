"""The default energy of a table: views and energies, how they are fitted, and the training ranges."""
