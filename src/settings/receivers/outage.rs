//! What becomes of a receiver's events while it is down, where nobody has said it.

use crate::engine::Order;
use crate::receiver::OnOutage;

/// Nobody waits for one of several; where nothing is in order, what is missed is not delivered in order either. A receiver that is alone
/// can be waited for.
pub(super) fn by_default(receivers: usize, order: Order) -> OnOutage {
    match (receivers, order) {
        (0 | 1, _) => OnOutage::Wait,
        (_, Order::Partition | Order::Key) => OnOutage::Defer,
        (_, Order::None) => OnOutage::Journal,
    }
}

pub(super) fn read(text: &str) -> Result<OnOutage, String> {
    OnOutage::ALL.into_iter().find(|of| of.as_str() == text).ok_or_else(|| {
        "defer (the others go on, what it missed is delivered later), wait (its events are waited for) or journal (an entry per event)"
            .to_owned()
    })
}
