//! The body of a request to create an order.

use crate::amount::{Decimal, parse_amount};
use crate::currency::Currency;
use crate::form::{self, BodyError, Errors, Reported, Slot};
use crate::ids::{CustomerId, OrderId};
use crate::new_order::{NewOrder, OrderLine};

/// How many lines an order may have.
pub const MAX_LINES: usize = 100;

/// Reads what a client orders:
///
/// ```json
/// {"id": "01J9Z", "customerId": "c-15", "currency": "EUR",
///  "lines": [{"productId": "p-1", "quantity": 3, "unitPrice": "12.50"}]}
/// ```
///
/// `id` may be left out; then `fallback_id` makes one, and is called in no
/// other case. `unitPrice` is a decimal string or a JSON number. Only the form
/// is judged: an order without lines or with a quantity of −1 is well formed,
/// and its checks will fail it.
///
/// # Errors
///
/// [`BodyError::Syntax`] if this is not JSON; [`BodyError::Invalid`] with all
/// that is wrong if its form is: unknown, missing, repeated or null fields,
/// wrong types, malformed ids, currency or prices, a withdrawn currency, numbers beyond `i64`, more
/// than [`MAX_LINES`] lines.
pub fn parse_new_order(
    body: &[u8],
    fallback_id: impl FnOnce(&CustomerId) -> OrderId,
) -> Result<NewOrder, BodyError> {
    form::parse(body, |root, errors| {
        let [id, customer_id, currency, lines] =
            root.object(["id", "customerId", "currency", "lines"], errors)?;
        // Each is read before the first `?`, so that every error is reported.
        let id = id.if_present().map(|id| id.parsed(errors)).transpose();
        let customer_id = customer_id.parsed(errors);
        let currency = read_currency(&currency, errors);
        let lines = read_lines(&lines, currency.as_ref().ok().copied(), errors);

        let (id, customer_id, currency, lines) = (id?, customer_id?, currency?, lines?);
        let id = id.unwrap_or_else(|| fallback_id(&customer_id));
        Ok(NewOrder { id, customer_id, currency, lines })
    })
}

fn read_currency(currency: &Slot<'_>, errors: &mut Errors) -> Result<Currency, Reported> {
    let parsed: Currency = currency.parsed(errors)?;
    if parsed.is_withdrawn() {
        let detail = format!("{parsed} is withdrawn: ISO 4217 of {} does not list it", Currency::LIST_OF);
        return Err(currency.report(detail, errors));
    }
    Ok(parsed)
}

fn read_lines(
    lines: &Slot<'_>,
    currency: Option<Currency>,
    errors: &mut Errors,
) -> Result<Vec<OrderLine>, Reported> {
    let lines = lines.array(MAX_LINES, errors)?;
    let lines: Vec<_> = lines.iter().map(|line| read_line(line, currency, errors)).collect();
    lines.into_iter().collect()
}

fn read_line(
    line: &Slot<'_>,
    currency: Option<Currency>,
    errors: &mut Errors,
) -> Result<OrderLine, Reported> {
    let [product_id, quantity, unit_price] = line.object(["productId", "quantity", "unitPrice"], errors)?;
    let product_id = product_id.parsed(errors);
    let quantity = quantity.integer(errors);
    let unit_price = read_price(&unit_price, currency, errors);
    Ok(OrderLine { product_id: product_id?, quantity: quantity?, unit_price: unit_price? })
}

/// Without a currency the price has no value, but its form can be judged.
fn read_price(price: &Slot<'_>, currency: Option<Currency>, errors: &mut Errors) -> Result<i64, Reported> {
    let text = price.decimal(errors)?;
    let amount = match currency {
        Some(currency) => parse_amount(&text, currency),
        None => Decimal::parse(&text).map(|_| 0),
    };
    amount.map_err(|error| price.report(error, errors))
}

#[cfg(test)]
mod tests;
