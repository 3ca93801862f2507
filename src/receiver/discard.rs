//! `discard:` takes everything and does nothing: for trying things out, and for measuring.

use crate::receiver::{Delivery, Needs, Receiver, Runs, Step};

#[derive(Clone, Copy, Debug)]
pub struct Discard;

impl Receiver for Discard {
    fn deliver(&self, _: Delivery) -> Step {
        Step::Done(Ok(()))
    }

    fn needs(&self) -> Needs {
        Needs::Bytes
    }

    fn runs(&self) -> Runs {
        Runs::Nowhere
    }
}
