//! The kernel side and the live source, on this kernel.

mod frames;
mod live;
mod overload;
mod parse;
mod programs;
