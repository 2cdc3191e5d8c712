//! The body of a request to write a customer.

use serde::Serialize;

use crate::customer::{Customer, CustomerName, Level};
use crate::email_address::EmailAddress;
use crate::form::{self, BodyError};
use crate::ids::CustomerId;

/// A customer as HTTP takes them: `{"name","email","level"}`; the id stands in
/// the path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerForm {
    /// What to call them.
    pub name: CustomerName,
    /// Where their mail goes.
    pub email: EmailAddress,
    /// Their standing.
    pub level: Level,
}

impl CustomerForm {
    /// The customer with this id.
    pub fn into_customer(self, id: CustomerId) -> Customer {
        let Self { name, email, level } = self;
        Customer { id, name: name.to_string(), email: email.to_string(), level }
    }
}

/// A customer as HTTP shows them: as [`CustomerForm`], with a name and an address
/// that may be older than the rules for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerView {
    /// What to call them.
    pub name: String,
    /// Where their mail goes.
    pub email: String,
    /// Their standing.
    pub level: Level,
}

impl From<Customer> for CustomerView {
    fn from(customer: Customer) -> Self {
        let Customer { id: _, name, email, level } = customer;
        Self { name, email, level }
    }
}

/// Reads `{"name": "…", "email": "…", "level": "platinum|gold|silver|bronze"}`.
///
/// # Errors
///
/// [`BodyError::Syntax`] if this is not JSON; [`BodyError::Invalid`] with all
/// that is wrong if its form is.
pub fn parse_customer(body: &[u8]) -> Result<CustomerForm, BodyError> {
    form::parse(body, |root, errors| {
        let [name, email, level] = root.object(["name", "email", "level"], errors)?;
        let name = name.parsed(errors);
        let email = email.parsed(errors);
        let level = level.parsed(errors);
        Ok(CustomerForm { name: name?, email: email?, level: level? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::parsed;

    const ADA: &str = r#"{"name":"Ada","email":"ada@example.org","level":"gold"}"#;

    /// The body [`ADA`] with `from` replaced by `to` is wrong here.
    #[track_caller]
    fn refused(from: &str, to: &str, expected: &[&str]) {
        assert!(ADA.contains(from), "{from}");
        let body = ADA.replacen(from, to, 1);
        let Err(BodyError::Invalid(errors)) = parse_customer(body.as_bytes()) else {
            panic!("{body}: {:?}", parse_customer(body.as_bytes()));
        };
        let pointers: Vec<_> = errors.iter().map(|error| &error.pointer).collect();
        assert_eq!(pointers, expected, "{body}");
    }

    #[test]
    fn what_is_shown_can_be_sent_again() {
        let form = parse_customer(ADA.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&form).unwrap(), ADA);
        let shown = CustomerView::from(form.into_customer(parsed("c-15")));
        assert_eq!(serde_json::to_string(&shown).unwrap(), ADA);
    }

    #[test]
    fn a_customer_has_a_name_an_address_and_a_level() {
        refused(ADA, "{}", &["/name", "/email", "/level"]);
        refused("Ada", "", &["/name"]);
        refused("Ada", r"a\r\nBcc: b", &["/name"]);
        refused("Ada", r"A\u202eda", &["/name"]);
        for email in
            ["ada", "a..b@example.org", "mailto:ada@example.org", "ada@[127.0.0.1]", r"a\u200bda@example.org"]
        {
            refused("ada@example.org", email, &["/email"]);
        }
        refused("gold", "Gold", &["/level"]);
        refused(r#""gold""#, "1", &["/level"]);
        refused(r#"{"name""#, r#"{"id":"c-15","name""#, &["/id"]);
    }
}
