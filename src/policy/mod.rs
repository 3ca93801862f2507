//! What happens after a failure: pure decisions.
