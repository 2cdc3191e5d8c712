//! What every service process shares.

pub mod topics;
