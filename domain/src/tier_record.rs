//! What the tier topics carry.

use serde::{Deserialize, Serialize};

use crate::customer::Customer;
use crate::order::Order;

/// An order in its final state with its customer: the value on `platinum`,
/// `gold`, `silver` and `bronze`, from which the mailer writes its mail.
///
/// `O` is the order as its writer or reader has it, all with the same JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TierRecord<O = Order> {
    /// The order, VALIDATED or FAILED.
    pub order: O,
    /// Who ordered; none if nobody knows them, and then there is no mail.
    pub customer: Option<Customer>,
}
