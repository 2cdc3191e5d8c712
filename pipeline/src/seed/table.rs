//! The table: a small shop for coffee and tea.

use domain::Level::{self, Bronze, Gold, Platinum, Silver};

/// Somebody to sell to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeedCustomer {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) email: &'static str,
    pub(crate) level: Level,
}

/// Something to sell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeedProduct {
    pub(crate) id: &'static str,
    /// Pieces in the warehouse.
    pub(crate) stock: i64,
    /// What simulated orders pay for a piece, in euro cents. The pipeline itself knows no prices.
    pub(crate) price: i64,
}

/// All customers.
pub(crate) const CUSTOMERS: [SeedCustomer; 6] = [
    customer("c-1", "Ada Lovelace", "ada@example.org", Platinum),
    customer("c-2", "Grace Hopper", "grace@example.org", Gold),
    customer("c-3", "Alan Turing", "alan@example.org", Gold),
    customer("c-4", "Barbara Liskov", "barbara@example.org", Silver),
    customer("c-5", "Edsger Dijkstra", "edsger@example.org", Silver),
    customer("c-6", "Leslie Lamport", "leslie@example.org", Bronze),
];

/// All products; the last one is scarce, so that it runs out when many order.
pub(crate) const PRODUCTS: [SeedProduct; 10] = [
    product("p-1", 10_000, 790),  // espresso beans
    product("p-2", 10_000, 690),  // filter coffee
    product("p-3", 10_000, 450),  // green tea
    product("p-4", 10_000, 420),  // black tea
    product("p-5", 10_000, 380),  // herbal tea
    product("p-6", 10_000, 120),  // sugar
    product("p-7", 10_000, 95),   // milk
    product("p-8", 10_000, 250),  // filters
    product("p-9", 10_000, 1290), // cup
    product("p-10", 250, 2490),   // teapot
];

const fn customer(id: &'static str, name: &'static str, email: &'static str, level: Level) -> SeedCustomer {
    SeedCustomer { id, name, email, level }
}

const fn product(id: &'static str, stock: i64, price: i64) -> SeedProduct {
    SeedProduct { id, stock, price }
}
