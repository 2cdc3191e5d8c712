//! The HTTP side seen from outside, over orders that are carried out at once.

mod creating;
mod fake_orders;
mod hostile;
mod reading;
mod test_app;

pub(crate) use fake_orders::{content, created, decided};
