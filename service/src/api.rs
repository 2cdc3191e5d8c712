//! The document of what HTTP offers (OpenAPI 3.1). Each service documents its own routes; here stands what they
//! share: the problems, the forms of ids and numbers, and how one document becomes of several.
//!
//! The vocabulary in `domain` knows nothing of OpenAPI: its types are those of rules, which differ from what JSON
//! shows of them (an amount is a text there, and an order has a total). So the bodies are described where they
//! are taken and given, and tests hold the descriptions to what is really written.

mod document;
mod problems;
mod values;

pub(crate) use document::document;
pub use problems::{BodyRefusals, Conflict, InvalidParameter, NotFound, ServerProblems, TimedOut};
pub use values::{Id, Quantity, Timeout};
