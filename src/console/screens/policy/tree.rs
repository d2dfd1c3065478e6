//! The catalogue's tree: asked for place by place, flattened into the lines that are shown.

use std::collections::{BTreeMap, BTreeSet};

use crate::console::places::Place;
use crate::controller::Command;
use crate::domain::{ComponentName, DataSet, DataSetName, PairName, Trouble};
use crate::protocol::CatalogueItem;

type Spot = (Option<ComponentName>, String);

/// What was asked for of one place.
#[derive(Debug, Clone)]
enum Inside {
    Asked,
    Known(Vec<CatalogueItem>),
    Refused(Trouble),
}

/// The tree, as far as it was opened.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    places: BTreeMap<Spot, Inside>,
    open: BTreeSet<Spot>,
    wanted: Vec<Spot>,
    reveal: Vec<DataSetName>,
}

/// One line of the tree as it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// How deep.
    pub depth: usize,
    /// What it is.
    pub what: What<'a>,
}

/// What a line is.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// A place or a data set.
    Item(&'a CatalogueItem, bool),
    /// It is being asked for.
    Asking,
    /// It could not be told.
    Trouble(&'a Trouble),
    /// There is nothing inside.
    Nothing,
}

fn spot(item: &CatalogueItem) -> Spot {
    (Some(item.component.clone()), item.path.clone())
}

impl Tree {
    /// Opens the first level; the components open by themselves, and so does the way to what is chosen already.
    pub fn begin(&mut self, chosen: &[DataSet]) {
        self.reveal = chosen.iter().map(|set| set.from.clone()).collect();
        self.want((None, String::new()));
    }

    fn leads_to_chosen(&self, item: &CatalogueItem) -> bool {
        let below = format!("{}/", item.path);
        item.expandable && self.reveal.iter().any(|name| name.component == item.component && name.path.starts_with(&below))
    }

    fn want(&mut self, at: Spot) {
        if !self.places.contains_key(&at) && !self.wanted.contains(&at) {
            self.wanted.push(at);
        }
    }

    /// Opens or closes a place.
    pub fn toggle(&mut self, item: &CatalogueItem) {
        let at = spot(item);
        if !self.open.remove(&at) {
            self.open.insert(at.clone());
            self.want(at);
        }
    }

    /// The questions that opened places need answered.
    pub fn questions(&mut self, pair: &PairName) -> Vec<(Place, Command)> {
        const AT_ONCE: usize = 4;
        let asked = self.places.values().filter(|inside| matches!(inside, Inside::Asked)).count();
        let now = self.wanted.len().min(AT_ONCE.saturating_sub(asked));
        let spots: Vec<_> = self.wanted.drain(..now).collect();
        let question = |(component, path): Spot| {
            self.places.insert((component.clone(), path.clone()), Inside::Asked);
            (Place::Catalogue(component.clone(), path.clone()), Command::Catalogue { pair: pair.clone(), component, path })
        };
        spots.into_iter().map(question).collect()
    }

    /// Takes in what is inside a place.
    pub fn receive(&mut self, component: Option<ComponentName>, path: String, inside: Result<Vec<CatalogueItem>, Trouble>) {
        let root = component.is_none();
        for item in inside.iter().flatten() {
            if root || self.leads_to_chosen(item) {
                self.open.insert(spot(item));
                self.want(spot(item));
            }
        }
        let known = match inside {
            Ok(items) => Inside::Known(items),
            Err(trouble) => Inside::Refused(trouble),
        };
        self.places.insert((component, path), known);
    }

    /// The size of a data set, where the catalogue told it.
    pub fn bytes_of(&self, name: &DataSetName) -> Option<u64> {
        let known = self.places.values().filter_map(|inside| if let Inside::Known(items) = inside { Some(items) } else { None });
        known.flatten().find(|item| item.component == name.component && item.path == name.path).and_then(|item| item.bytes)
    }

    /// The lines shown: opened places, or, while something is looked for, everything known that contains it.
    pub fn lines(&self, find: &str) -> Vec<Line<'_>> {
        let find = find.trim().to_lowercase();
        let mut lines = Vec::new();
        if find.is_empty() {
            self.below(&(None, String::new()), 0, &mut lines);
            return lines;
        }
        let known = self.places.iter().filter(|((component, _), _)| component.is_some());
        let items = known.filter_map(|(_, inside)| if let Inside::Known(items) = inside { Some(items) } else { None });
        let found = items.flatten().filter(|item| item.label.to_lowercase().contains(&find));
        lines.extend(found.map(|item| Line { depth: 0, what: What::Item(item, false) }));
        lines
    }

    fn below<'a>(&'a self, at: &Spot, depth: usize, lines: &mut Vec<Line<'a>>) {
        const DEEPEST: usize = 64;
        let what = match self.places.get(at) {
            None | Some(Inside::Asked) => What::Asking,
            Some(Inside::Refused(trouble)) => What::Trouble(trouble),
            Some(Inside::Known(items)) if items.is_empty() => What::Nothing,
            Some(Inside::Known(items)) => {
                for item in items {
                    let inside = spot(item);
                    let open = item.expandable && self.open.contains(&inside);
                    lines.push(Line { depth, what: What::Item(item, open) });
                    if open && depth < DEEPEST {
                        self.below(&inside, depth + 1, lines);
                    }
                }
                return;
            }
        };
        lines.push(Line { depth, what });
    }
}

/// The data set of an item: the same name on both sides.
pub fn data_set(item: &CatalogueItem) -> DataSet {
    let name = DataSetName { component: item.component.clone(), path: item.path.clone() };
    DataSet { from: name.clone(), to: name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    fn labels(tree: &Tree, find: &str) -> Vec<String> {
        let line = |line: Line<'_>| match line.what {
            What::Item(item, open) => format!("{}{}{}", "  ".repeat(line.depth), if open { "▾ " } else { "" }, item.label),
            What::Asking => format!("{}…", "  ".repeat(line.depth)),
            What::Trouble(trouble) => trouble.to_string(),
            What::Nothing => "empty".to_owned(),
        };
        tree.lines(find).into_iter().map(line).collect()
    }

    #[test]
    fn places_are_asked_for_when_they_are_opened_and_only_once() {
        let pair = "sz-gy".parse().expect("a name");
        let mut tree = Tree::default();
        tree.begin(&[]);
        for _ in 0..3 {
            for (place, _) in tree.questions(&pair) {
                let Place::Catalogue(component, path) = place else { panic!("another place") };
                let items = sample::catalogue(component.as_ref().map(|name| name.as_str()), &path);
                tree.receive(component, path, Ok(items));
            }
        }
        assert!(tree.questions(&pair).is_empty(), "nothing more is open");
        assert_eq!(labels(&tree, "")[..3], ["▾ hdfs", "  /data", "▾ tables"]);
        assert_eq!(labels(&tree, "order"), ["orders", "order_items"]);
    }
}
