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

/// All customers: so many that some thousand random orders of an hour stay below the fraud check's limit.
pub(crate) const CUSTOMERS: [SeedCustomer; 60] = [
    customer("c-1", "Ada Lovelace", "ada@example.org", Platinum),
    customer("c-2", "Grace Hopper", "grace@example.org", Gold),
    customer("c-3", "Alan Turing", "alan@example.org", Gold),
    customer("c-4", "Barbara Liskov", "barbara@example.org", Silver),
    customer("c-5", "Edsger Dijkstra", "edsger@example.org", Silver),
    customer("c-6", "Leslie Lamport", "leslie@example.org", Bronze),
    customer("c-7", "Donald Knuth", "donald.knuth@example.org", Platinum),
    customer("c-8", "Margaret Hamilton", "margaret.hamilton@example.org", Bronze),
    customer("c-9", "John McCarthy", "john.mccarthy@example.org", Bronze),
    customer("c-10", "Frances Allen", "frances.allen@example.org", Silver),
    customer("c-11", "Dennis Ritchie", "dennis.ritchie@example.org", Silver),
    customer("c-12", "Radia Perlman", "radia.perlman@example.org", Gold),
    customer("c-13", "Ken Thompson", "ken.thompson@example.org", Platinum),
    customer("c-14", "Katherine Johnson", "katherine.johnson@example.org", Platinum),
    customer("c-15", "Tony Hoare", "tony.hoare@example.org", Bronze),
    customer("c-16", "Jean Sammet", "jean.sammet@example.org", Bronze),
    customer("c-17", "Niklaus Wirth", "niklaus.wirth@example.org", Silver),
    customer("c-18", "Karen Spärck Jones", "karen.spaerck.jones@example.org", Silver),
    customer("c-19", "Robin Milner", "robin.milner@example.org", Gold),
    customer("c-20", "Shafi Goldwasser", "shafi.goldwasser@example.org", Platinum),
    customer("c-21", "Jim Gray", "jim.gray@example.org", Platinum),
    customer("c-22", "Sophie Wilson", "sophie.wilson@example.org", Bronze),
    customer("c-23", "Michael Stonebraker", "michael.stonebraker@example.org", Bronze),
    customer("c-24", "Adele Goldberg", "adele.goldberg@example.org", Silver),
    customer("c-25", "Alan Kay", "alan.kay@example.org", Silver),
    customer("c-26", "Mary Shaw", "mary.shaw@example.org", Gold),
    customer("c-27", "Fred Brooks", "fred.brooks@example.org", Platinum),
    customer("c-28", "Betty Holberton", "betty.holberton@example.org", Platinum),
    customer("c-29", "David Parnas", "david.parnas@example.org", Bronze),
    customer("c-30", "Kathleen Booth", "kathleen.booth@example.org", Bronze),
    customer("c-31", "Peter Naur", "peter.naur@example.org", Silver),
    customer("c-32", "Joan Clarke", "joan.clarke@example.org", Silver),
    customer("c-33", "John Backus", "john.backus@example.org", Gold),
    customer("c-34", "Ruth Teitelbaum", "ruth.teitelbaum@example.org", Platinum),
    customer("c-35", "Butler Lampson", "butler.lampson@example.org", Platinum),
    customer("c-36", "Marlyn Meltzer", "marlyn.meltzer@example.org", Bronze),
    customer("c-37", "Robert Tarjan", "robert.tarjan@example.org", Bronze),
    customer("c-38", "Kathleen Antonelli", "kathleen.antonelli@example.org", Silver),
    customer("c-39", "Stephen Cook", "stephen.cook@example.org", Silver),
    customer("c-40", "Jean Bartik", "jean.bartik@example.org", Gold),
    customer("c-41", "Richard Karp", "richard.karp@example.org", Platinum),
    customer("c-42", "Frances Spence", "frances.spence@example.org", Platinum),
    customer("c-43", "Leonid Levin", "leonid.levin@example.org", Bronze),
    customer("c-44", "Evelyn Boyd", "evelyn.boyd@example.org", Bronze),
    customer("c-45", "Claude Shannon", "claude.shannon@example.org", Silver),
    customer("c-46", "Dorothy Vaughan", "dorothy.vaughan@example.org", Silver),
    customer("c-47", "Konrad Zuse", "konrad.zuse@example.org", Gold),
    customer("c-48", "Mary Jackson", "mary.jackson@example.org", Platinum),
    customer("c-49", "Vint Cerf", "vint.cerf@example.org", Platinum),
    customer("c-50", "Lynn Conway", "lynn.conway@example.org", Bronze),
    customer("c-51", "Bob Kahn", "bob.kahn@example.org", Bronze),
    customer("c-52", "Carol Shaw", "carol.shaw@example.org", Silver),
    customer("c-53", "Ole Dahl", "ole.dahl@example.org", Silver),
    customer("c-54", "Susan Kare", "susan.kare@example.org", Gold),
    customer("c-55", "Kristen Nygaard", "kristen.nygaard@example.org", Platinum),
    customer("c-56", "Anita Borg", "anita.borg@example.org", Platinum),
    customer("c-57", "Jay Kreps", "jay.kreps@example.org", Bronze),
    customer("c-58", "Roberta Williams", "roberta.williams@example.org", Bronze),
    customer("c-59", "Pat Helland", "pat.helland@example.org", Silver),
    customer("c-60", "Hedy Lamarr", "hedy.lamarr@example.org", Silver),
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
