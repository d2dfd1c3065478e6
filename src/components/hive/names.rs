//! What a data set of this component is called: `DATABASE` or `DATABASE.TABLE`.

use std::fmt;

/// The database whose directory is the warehouse itself.
pub const DEFAULT: &str = "default";

/// A data set: a database with all that is in it, or one table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetName {
    /// The database, in lower case, as the metastore keeps it.
    pub database: String,
    /// The table, likewise; `None` for the whole database.
    pub table: Option<String>,
}

impl SetName {
    /// From a data set's path; the reason when it is none.
    pub fn parse(text: &str) -> Result<SetName, &'static str> {
        let (database, table) = text.split_once('.').map_or((text, None), |(database, table)| (database, Some(table)));
        let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !plain(database) || !table.is_none_or(plain) {
            return Err("it is neither DATABASE nor DATABASE.TABLE");
        }
        Ok(SetName { database: database.to_lowercase(), table: table.map(str::to_lowercase) })
    }

    /// Where the metastore puts it when nobody says otherwise: a path.
    pub fn usual_place(&self, warehouse: &str) -> String {
        let database = usual_database(warehouse, &self.database);
        self.table.as_ref().map_or(database.clone(), |table| format!("{database}/{table}"))
    }
}

/// Where the metastore puts a database when nobody says otherwise: a path.
pub fn usual_database(warehouse: &str, database: &str) -> String {
    if database == DEFAULT { warehouse.to_owned() } else { format!("{warehouse}/{database}.db") }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.table {
            None => write!(f, "{}", self.database),
            Some(table) => write!(f, "{}.{table}", self.database),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_and_tables_are_told_apart_and_paths_refused() {
        let name = |text: &str| SetName::parse(text).map(|set| (set.database, set.table));
        assert_eq!(name("Sales"), Ok(("sales".into(), None)));
        assert_eq!(name("sales.Orders_2"), Ok(("sales".into(), Some("orders_2".into()))));
        for bad in ["", ".", "a.", ".b", "a.b.c", "a/b", "../a", "a b", "/warehouse/x.db", "a*"] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_usual_places_are_the_metastores_own() {
        let place = |text: &str| SetName::parse(text).expect("a name").usual_place("/warehouse");
        assert_eq!(place("sales"), "/warehouse/sales.db");
        assert_eq!(place("sales.orders"), "/warehouse/sales.db/orders");
        assert_eq!(place("default.orders"), "/warehouse/orders");
    }
}
