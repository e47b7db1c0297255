//! The kernel side and the live source, on this kernel.

mod live;
