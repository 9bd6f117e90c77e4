"""Pages that a person can read: one HTML file each, for a detector or for a study, that needs nothing but itself."""
