//! The stages that a record walks before its receivers: identify, route, decode.
