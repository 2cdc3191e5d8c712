//! What the view says of a request that was carried out.

use domain::{NewOrder, Order, Origin};

/// What became of a request to create an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Created {
    /// It made the order.
    ByThis,
    /// The order was there, with the same content.
    Before,
    /// The order was there, with other content.
    Conflict,
    /// There is no order, which cannot be.
    Nothing,
}

/// Judges by the order that is in the view now, after the request at `mine` was carried out.
pub(super) fn created(view: Option<&Order>, mine: Origin, asked: &NewOrder) -> Created {
    match view {
        None => Created::Nothing,
        Some(order) if order.origin == mine => Created::ByThis,
        Some(order) if order.has_content(asked) => Created::Before,
        Some(_) => Created::Conflict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::{content, created as order, decided};

    #[test]
    fn an_order_tells_whose_it_is() {
        let origin = Origin { partition: 1, offset: 7 };
        let by = |offset, order: Order| Order { origin: Origin { offset, ..origin }, ..order };
        let other = NewOrder { customer_id: "c-2".parse().unwrap(), ..content("o-1") };
        for (view, asked, expected) in [
            (None, content("o-1"), Created::Nothing),
            (Some(by(7, order("o-1"))), content("o-1"), Created::ByThis),
            (Some(by(7, decided("o-1"))), content("o-1"), Created::ByThis),
            (Some(by(6, order("o-1"))), content("o-1"), Created::Before),
            (Some(by(6, decided("o-1"))), content("o-1"), Created::Before),
            (Some(by(6, order("o-1"))), other.clone(), Created::Conflict),
            (Some(by(6, decided("o-1"))), other, Created::Conflict),
        ] {
            assert_eq!(created(view.as_ref(), origin, &asked), expected, "{view:?} {asked:?}");
        }
        let elsewhere = Origin { partition: 2, offset: 7 };
        assert_eq!(created(Some(&by(7, order("o-1"))), elsewhere, &content("o-1")), Created::Before);
    }
}
