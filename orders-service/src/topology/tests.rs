//! The topology in the test driver.

mod dead_letters;
mod fold;
mod life;
mod scene;
mod tomorrow;
