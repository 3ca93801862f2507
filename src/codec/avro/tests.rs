//! Every type, every fault, schemas of all kinds, real events, random schemas against a second implementation, and hostile bytes.

mod faults;
mod fuzz;
mod random;
mod real;
mod schemas;
mod types;
