//! Customers over HTTP.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use domain::{Customer, CustomerId, CustomerView, parse_customer};
use service::topics::CUSTOMERS;
use service::{IdInPath, Interrupted, JsonBody, Problem, Shutdown};
use streams::{CommandWriter, GlobalTable, Queries};

/// What the handlers need.
#[derive(Clone)]
pub(crate) struct Customers {
    pub(crate) table: GlobalTable<CustomerId, Customer>,
    pub(crate) queries: Queries,
    pub(crate) commands: CommandWriter,
}

pub(crate) fn routes(config: &mut ServiceConfig, customers: Data<Customers>) {
    config.app_data(customers).service(
        web::resource("/v1/customers/{customerId}")
            .route(web::get().to(get))
            .route(web::head().to(get))
            .route(web::put().to(put)),
    );
}

/// How long a customer may take to be read back. What takes longer is answered with 503, and may be sent again.
const PATIENCE: Duration = Duration::from_secs(10);

async fn get(id: IdInPath<CustomerId>, customers: Data<Customers>) -> Result<HttpResponse, Problem> {
    let IdInPath(id) = id;
    match customers.queries.lookup(&customers.table, &id)? {
        Some(customer) => Ok(HttpResponse::Ok().json(CustomerView::from(customer))),
        None => Err(Problem::not_found(format!("there is no customer {id}"))),
    }
}

async fn put(
    id: IdInPath<CustomerId>,
    body: JsonBody,
    customers: Data<Customers>,
    shutdown: Shutdown,
) -> Result<HttpResponse, Problem> {
    let customer = parse_customer(&body.0)?.into_customer(id.0);
    match shutdown.wait(PATIENCE, customers.write(&customer)).await {
        Ok(written) => written?,
        Err(Interrupted::TimedOut | Interrupted::Stopping) => {
            return Err(Problem::unavailable(
                "the customer was not read back in time; they may be sent again",
            ));
        }
    }
    Ok(HttpResponse::Ok().json(CustomerView::from(customer)))
}

impl Customers {
    /// Writes a customer and waits until this instance has read them.
    async fn write(&self, customer: &Customer) -> Result<(), Problem> {
        let written = self.commands.send(&CUSTOMERS, &customer.id, customer).await?;
        self.queries.table_read(&self.table, written.partition, written.offset).await;
        Ok(())
    }
}
