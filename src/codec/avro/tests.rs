//! Every type, every fault, real events, random schemas against a second implementation, and hostile bytes.

mod faults;
mod fuzz;
mod random;
mod real;
mod types;
