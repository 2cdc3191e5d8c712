//! From orders and verdicts to outcomes.

use service::topics::{ORDER_OUTCOMES, ORDER_VALIDATIONS, ORDERS};
use streams::Topology;

use crate::case_store::CaseStore;
use crate::policy::AggregatorPolicy;
use crate::processors::{TakeOrder, TakeVerdict};
use crate::standing::Standing;

/// Joins the verdicts of `order-validations` with the orders of `orders` into `order-outcomes`.
pub fn topology(policy: AggregatorPolicy) -> Topology {
    build(policy).0
}

fn build(policy: AggregatorPolicy) -> (Topology, CaseStore) {
    let mut builder = Topology::builder("validation-aggregator");
    let store = CaseStore::declare(&mut builder);

    builder
        .source_if(&ORDERS.values_as(|order: &Standing| Some(&order.id)), Standing::may_be_in)
        .process(TakeOrder { policy, store })
        .sink(&ORDER_OUTCOMES);
    builder.source(&ORDER_VALIDATIONS).process(TakeVerdict { policy, store }).sink(&ORDER_OUTCOMES);

    (builder.build(), store)
}

#[cfg(test)]
mod tests;
