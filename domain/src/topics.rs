//! The names of the topics.

/// Commands to orders, by order id; see [`OrderRequest`](crate::OrderRequest).
pub const ORDER_REQUESTS: &str = "order-requests";
/// Orders in their new state, by order id; see [`Order`](crate::Order).
pub const ORDERS: &str = "orders";
/// Verdicts, by order id; see [`Verdict`](crate::Verdict).
pub const ORDER_VALIDATIONS: &str = "order-validations";
/// Outcomes, by order id; see [`Outcome`](crate::Outcome).
pub const ORDER_OUTCOMES: &str = "order-outcomes";
/// Commands to stocks, by product id; see [`StockAdjustment`](crate::StockAdjustment).
pub const WAREHOUSE_INVENTORY: &str = "warehouse-inventory";
/// Customers, by customer id; see [`Customer`](crate::Customer).
pub const CUSTOMERS: &str = "customers";
/// Decided orders of platinum customers, by order id; see [`TierRecord`](crate::TierRecord).
pub const PLATINUM: &str = "platinum";
/// Decided orders of gold customers, by order id; see [`TierRecord`](crate::TierRecord).
pub const GOLD: &str = "gold";
/// Decided orders of silver customers, by order id; see [`TierRecord`](crate::TierRecord).
pub const SILVER: &str = "silver";
/// Decided orders of bronze and of unknown customers, by order id; see
/// [`TierRecord`](crate::TierRecord).
pub const BRONZE: &str = "bronze";

#[cfg(test)]
mod tests;
