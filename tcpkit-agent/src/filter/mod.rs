//! A tcpdump expression, compiled once, meaning the same in the kernel and on a file.
