//! The view as a whole, against what tcpeek prints.
