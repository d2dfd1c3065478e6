//! What a data set of this component is called: `DATABASE` or `DATABASE.TABLE`; and what a drill's own databases are.

use std::fmt;

use crate::domain::{Digest, DrillId};

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

/// What the databases of drills are called before the drill's id.
const DRILL: &str = "understudy_drill_";
/// Letters that a metastore keeps of a database's name.
const DATABASE_LETTERS: usize = 128;
/// Letters that it keeps of a constraint's.
const CONSTRAINT_LETTERS: usize = 400;

/// A drill's database beside a database of production: `understudy_drill_ID_NAME`.
pub fn drill_database(drill: DrillId, database: &str) -> String {
    fitting(&format!("{DRILL}{}_{database}", drill.0.simple()), DATABASE_LETTERS)
}

/// What a constraint is called there: a metastore of version 3.1 takes each constraint's name once only, whatever the database.
pub fn drill_constraint(drill: DrillId, constraint: &str) -> String {
    fitting(&format!("{DRILL}{}_{constraint}", drill.0.simple()), CONSTRAINT_LETTERS)
}

/// Likewise beside the live data set, under the name of what was restored.
pub fn restored_constraint(place: &SetName, constraint: &str) -> String {
    let table = place.table.as_ref().map_or(String::new(), |table| format!("_{table}"));
    fitting(&format!("{}{table}_{constraint}", place.database), CONSTRAINT_LETTERS)
}

/// The drill of a database, if it is one's.
pub fn drill_of(database: &str) -> Option<DrillId> {
    let (id, name) = database.strip_prefix(DRILL)?.split_once('_')?;
    if name.is_empty() || id.len() != 32 { None } else { id.parse().ok() }
}

/// A name no longer than a metastore takes; what is cut off is told by a digest, so that no two names meet.
fn fitting(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        return name.to_owned();
    }
    let digest = Digest::of_bytes(name.as_bytes()).to_string();
    let kept: String = name.chars().take(letters - 17).collect();
    format!("{kept}_{}", &digest[..16])
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
    fn a_drills_database_tells_its_drill_fits_and_no_others_is_taken_for_one() {
        let drill = DrillId(uuid::Uuid::now_v7());
        let long = |end: char| format!("{}{end}", "d".repeat(127));
        for name in ["sales".to_owned(), "a_b".to_owned(), long('x')] {
            let own = drill_database(drill, &name);
            assert_eq!(drill_of(&own), Some(drill), "{own}");
            assert!(own.len() <= 128 && SetName::parse(&own).is_ok(), "{own}");
        }
        assert!(drill_database(drill, "sales").ends_with("_sales"));
        assert_ne!(drill_database(drill, &long('x')), drill_database(drill, &long('y')));
        let simple = drill.0.simple();
        for other in ["sales", "understudy_drill_", "understudy_drill_x_y", &format!("understudy_drill_{simple}"), &format!("{simple}_a")] {
            assert_eq!(drill_of(other), None, "{other}");
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
