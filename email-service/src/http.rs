//! Customers over HTTP. Each instance has read all of them; what another one has written, it waits for.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use domain::{Customer, CustomerId, CustomerView, parse_customer};
use service::topics::CUSTOMERS;
use service::{IdInPath, Interrupted, JsonBody, Problem, Shutdown};
use streams::{CommandWriter, GlobalTable, Queries};

use crate::topic_end::TopicEnd;

/// What the handlers need.
#[derive(Clone)]
pub(crate) struct Customers {
    pub(crate) table: GlobalTable<CustomerId, Customer>,
    pub(crate) queries: Queries,
    pub(crate) commands: CommandWriter,
    pub(crate) end: TopicEnd,
}

pub(crate) fn routes(config: &mut ServiceConfig, customers: Data<Customers>) {
    config.app_data(customers).service(
        web::resource("/v1/customers/{customerId}").route(web::get().to(get)).route(web::put().to(put)),
    );
}

/// How long a customer may take to be read. What takes longer is answered with 503, and may be asked again.
const PATIENCE: Duration = Duration::from_secs(10);

async fn get(
    id: IdInPath<CustomerId>,
    customers: Data<Customers>,
    shutdown: Shutdown,
) -> Result<HttpResponse, Problem> {
    let IdInPath(id) = id;
    in_time(&shutdown, customers.catch_up(&id)).await?;
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
    in_time(&shutdown, customers.write(&customer)).await?;
    Ok(HttpResponse::Ok().json(CustomerView::from(customer)))
}

async fn in_time(
    shutdown: &Shutdown,
    read: impl Future<Output = Result<(), Problem>>,
) -> Result<(), Problem> {
    match shutdown.wait(PATIENCE, read).await {
        Ok(read) => read,
        Err(Interrupted::TimedOut | Interrupted::Stopping) => {
            Err(Problem::unavailable("the customer was not read in time; it can safely be asked again"))
        }
    }
}

impl Customers {
    /// Writes a customer and waits until this instance has read them.
    async fn write(&self, customer: &Customer) -> Result<(), Problem> {
        let written = self.commands.send(&CUSTOMERS, &customer.id, customer).await?;
        self.queries.table_read(&self.table, written.partition, written.offset).await;
        Ok(())
    }

    /// Waits until this instance has read all that any instance has written of a customer before this call.
    async fn catch_up(&self, id: &CustomerId) -> Result<(), Problem> {
        let partition = self.queries.partition_of(id);
        let end = self.end.now(partition).await?;
        self.queries.table_read(&self.table, partition, end - 1).await;
        Ok(())
    }
}
