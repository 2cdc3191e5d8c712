//! Customers and stock to begin with, so that a fresh pipeline has something to sell and somebody to sell to.
//!
//! They come in by the pipeline's own HTTP, and only where it answers that there is nothing of that name:
//! what somebody has changed since stays as it is, however long ago that was.

mod table;

use domain::{CustomerForm, InvalidCustomerName, InvalidEmailAddress};
use futures::future::try_join_all;
use reqwest::StatusCode;
use serde_json::json;

pub(crate) use table::{CUSTOMERS, PRODUCTS, SeedCustomer, SeedProduct};

use crate::client::{Answer, CallError, Client};

/// How much was not there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seeded {
    pub(crate) customers: usize,
    pub(crate) stocks: usize,
}

/// Why the seeds are not in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("{path} answered {status}: {body}")]
    Refused { path: String, status: StatusCode, body: String },
    #[error("the table of seeds: {0}")]
    Name(#[from] InvalidCustomerName),
    #[error("the table of seeds: {0}")]
    Email(#[from] InvalidEmailAddress),
}

/// Adds what is not there. Waits for a pipeline that is not available for as long as it takes.
pub(crate) async fn seed(client: &Client) -> Result<Seeded, SeedError> {
    let customers = try_join_all(CUSTOMERS.iter().map(|customer| seed_customer(client, customer)));
    let stocks = try_join_all(PRODUCTS.iter().map(|product| seed_stock(client, product)));
    let (customers, stocks) = futures::try_join!(customers, stocks)?;
    Ok(Seeded { customers: count(&customers), stocks: count(&stocks) })
}

fn count(new: &[bool]) -> usize {
    new.iter().filter(|new| **new).count()
}

/// Whether it was not there.
async fn seed_customer(client: &Client, customer: &SeedCustomer) -> Result<bool, SeedError> {
    let path = format!("/v1/customers/{}", customer.id);
    if !is_absent(client, &path).await? {
        return Ok(false);
    }
    let form =
        CustomerForm { name: customer.name.parse()?, email: customer.email.parse()?, level: customer.level };
    let answer = client.put(&path, &form).await?;
    accepted(&path, answer).map(|()| true)
}

/// Whether it was not there.
async fn seed_stock(client: &Client, product: &SeedProduct) -> Result<bool, SeedError> {
    let path = format!("/v1/inventory/{}", product.id);
    if !is_absent(client, &path).await? {
        return Ok(false);
    }
    let adjustments = format!("{path}/adjustments");
    // Always the same id: a request that is repeated, or made by two processes, counts once.
    let body = json!({ "id": format!("seed-{}", product.id), "quantity": product.stock });
    let answer = client.post(&adjustments, &body).await?;
    accepted(&adjustments, answer).map(|()| true)
}

async fn is_absent(client: &Client, path: &str) -> Result<bool, SeedError> {
    let answer = client.get(path).await?;
    match answer.status {
        StatusCode::NOT_FOUND => Ok(true),
        _ => accepted(path, answer).map(|()| false),
    }
}

fn accepted(path: &str, answer: Answer) -> Result<(), SeedError> {
    if answer.status.is_success() {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    Err(SeedError::Refused { path: path.to_owned(), status: answer.status, body })
}

#[cfg(test)]
mod tests;
