//! `pipeline bench http`: how many requests are answered, and how soon.

mod answers;
mod lean_poll;
mod report;
mod requests;
mod target;
mod waiters;

pub(super) use report::Report;
