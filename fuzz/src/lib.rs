//! Fuzz targets of the parsers and state machines, replayed as plain tests.
