//! The journal: one SQLite file that holds every failure, every incident and how far each partition was settled.
