//! The forms of what the service takes and gives over HTTP, as its OpenAPI document describes them.

mod operations;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{OpenApi, ToSchema};

/// The document of the service's routes.
#[derive(OpenApi)]
#[openapi(
    paths(operations::customer, operations::put_customer),
    tags((name = "customers", description = "Whom mails go to")),
)]
pub(crate) struct CustomersApi;

/// A customer
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(customer_example))]
pub struct Customer {
    /// What to call them; no control characters, nor others that cannot be seen or change direction
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001F\u007F-\u009F]+$")]
    pub name: String,
    /// Where their mail goes: at most 254 bytes in UTF-8, 64 of them before the @, no quotation marks there, and behind
    /// it the name of a domain, not an IP address; no white space and nothing that cannot be seen. A domain beyond ASCII
    /// is shown as it was written
    #[schema(
        min_length = 3,
        max_length = 254,
        pattern = r#"^[^\s\u0000-\u001F\u007F-\u009F"(),:;<>@\[\\\]]+@[^\s\u0000-,/:-@\[-`{-\u009F]+$"#
    )]
    pub email: String,
    /// Their standing
    pub level: Level,
}

/// Each has a topic of its own
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the vocabulary is explained where it is made, in domain")]
pub enum Level {
    Platinum,
    Gold,
    Silver,
    Bronze,
}

fn customer_example() -> serde_json::Value {
    json!({ "name": "Ada Lovelace", "email": "ada@example.org", "level": "gold" })
}

#[cfg(test)]
mod tests {
    use domain::parse_customer;

    use super::*;

    #[test]
    fn a_customer_is_taken_and_given_as_described() {
        for level in ["platinum", "gold", "silver", "bronze"] {
            let mut customer = customer_example();
            customer["level"] = level.into();
            let taken = parse_customer(customer.to_string().as_bytes()).unwrap();
            assert_eq!(serde_json::to_value(taken).unwrap(), customer);
            let described: Customer = serde_json::from_value(customer.clone()).unwrap();
            assert_eq!(serde_json::to_value(described).unwrap(), customer);
        }
    }
}
