//! What the streams make of segments: stories of one flow, and properties for any segments.

mod any;
mod causes;
mod counts;
mod talk;
