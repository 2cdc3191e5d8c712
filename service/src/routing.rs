//! Any instance answers: a call for a key that is another instance's goes on to that instance, once.
//!
//! - A call is answered where its key's partition is. Elsewhere it is forwarded, by one hop at most: what was
//!   forwarded and is not for here is sent back at once, so no loop can form.
//! - A call that finds no owner (the group is giving its partitions out, a state is being restored, an instance has
//!   just died) waits, as long as it has time, and is routed anew. Without time it gets 503 and `Retry-After`.
//! - Whoever answers says who they are. An address may be another's by now.
//! - A call may be sent twice: what it does goes by an id, which is made before it is sent first.
//! - Nobody asks the group for each call: what is known of the owners is used until it turns out to be wrong.

mod call;
mod directory;
mod forwarder;
mod headers;
mod router;
mod step;

pub use call::Call;
pub use directory::{Directory, Peer, Whereabouts};
pub(crate) use forwarder::{AsItIs, Forwarder};
pub(crate) use headers::{FORWARDED_BY, NOT_MINE, PROGRESS, identify};
pub use router::Router;
