//! The topology as a whole, in the test driver.

mod any_order_of_arrival;
mod dead_letters;
mod outcomes;
mod scene;
mod time_outs;
