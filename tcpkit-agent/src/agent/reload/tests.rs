//! What a reload makes of a file.
