//! The text of a view, with the names of one database turned to another's. Pure.
//!
//! No parser of HiveQL: words, texts, comments and quotes are told apart, and of `a.b` it is known whether it stands where a table or
//! function does. So `sales.orders` turns and `sales.id`, where `sales` is what a query calls a table, does not.

/// What a piece of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// A word or number, bare.
    Word,
    /// A name in backquotes, with them.
    Quoted,
    /// White space or a comment.
    Nothing,
    /// Anything else: a whole text in quotes, or one letter.
    Other,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece<'a> {
    sort: Sort,
    text: &'a str,
}

impl Piece<'_> {
    /// The name that it is, in lower case as a metastore keeps names.
    fn name(self) -> Option<String> {
        match self.sort {
            Sort::Word => Some(self.text.to_lowercase()),
            Sort::Quoted => Some(self.text.trim_matches('`').replace("``", "`").to_lowercase()),
            Sort::Nothing | Sort::Other => None,
        }
    }

    /// Whether a table's name follows it.
    fn leads_to_table(self) -> bool {
        self.sort == Sort::Word && ["from", "join", "table"].iter().any(|known| self.text.eq_ignore_ascii_case(known))
    }
}

/// Where what begins with the letter `quote` ends; a letter after a backslash does not end it, nor (of names) a quote written twice.
fn quoted_end(text: &str, quote: char) -> usize {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' && quote != '`' {
            letters.next();
        } else if letter == quote {
            if quote == '`' && letters.peek().is_some_and(|(_, next)| *next == '`') {
                letters.next();
            } else {
                return at + letter.len_utf8();
            }
        }
    }
    text.len()
}

/// Where the letters of one sort end.
fn run_end(text: &str, of: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !of(letter)).unwrap_or(text.len())
}

/// What begins a text, and where it ends.
fn first_of(text: &str, first: char) -> (Sort, usize) {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    match first {
        '`' => (Sort::Quoted, quoted_end(text, first)),
        '\'' | '"' => (Sort::Other, quoted_end(text, first)),
        '-' if text.starts_with("--") => (Sort::Nothing, run_end(text, |letter| letter != '\n')),
        '/' if text.starts_with("/*") => (Sort::Nothing, text.get(2..).and_then(|rest| rest.find("*/")).map_or(text.len(), |at| at + 4)),
        first if first.is_whitespace() => (Sort::Nothing, run_end(text, char::is_whitespace)),
        first if is_word(first) => (Sort::Word, run_end(text, is_word)),
        first => (Sort::Other, first.len_utf8()),
    }
}

fn pieces(mut text: &str) -> Vec<Piece<'_>> {
    let mut all = Vec::new();
    while let Some(first) = text.chars().next() {
        let (sort, end) = first_of(text, first);
        let (piece, rest) = text.split_at(end);
        all.push(Piece { sort, text: piece });
        text = rest;
    }
    all
}

/// The text with `from.NAME` turned to `to.NAME` wherever it names a table, view or function: `known` ones anywhere, others where a table
/// or function must stand.
pub fn turned(text: &str, from: &str, to: &str, known: impl Fn(&str) -> bool) -> String {
    let mut all = pieces(text);
    let marks: Vec<usize> = (0..all.len()).filter(|at| all[*at].sort != Sort::Nothing).collect();
    let near = |n: usize, offset: isize| n.checked_add_signed(offset).and_then(|n| marks.get(n)).map(|at| all[*at]);
    let is = |n: usize, offset: isize, letter: &str| near(n, offset) == Some(Piece { sort: Sort::Other, text: letter });
    let turns = |n: usize| {
        near(n, 0).and_then(Piece::name).is_some_and(|name| name == from)
            && is(n, 1, ".")
            && !is(n, -1, ".")
            && near(n, 2)
                .and_then(Piece::name)
                .is_some_and(|name| known(&name) || near(n, -1).is_some_and(Piece::leads_to_table) || is(n, 3, "("))
    };
    let turned: Vec<usize> = (0..marks.len()).filter(|n| turns(*n)).map(|n| marks[n]).collect();
    let quoted = format!("`{to}`");
    for at in turned {
        all[at].text = if all[at].sort == Sort::Quoted { &quoted } else { to };
    }
    all.iter().map(|piece| piece.text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        turned(text, "sales", "drill", |name| ["orders", "shout"].contains(&name))
    }

    #[test]
    fn tables_and_functions_of_the_database_turn_and_nothing_else() {
        for (text, then) in [
            ("select id from sales.orders", "select id from drill.orders"),
            ("select `orders`.`id` from `sales`.`orders` where `day` > 1", "select `orders`.`id` from `drill`.`orders` where `day` > 1"),
            ("select * from SALES . Orders, sales.orders o", "select * from drill . Orders, drill.orders o"),
            ("select * from a join sales.unknown", "select * from a join drill.unknown"),
            ("select sales.shout(x), `sales`.other(x) from t", "select drill.shout(x), `drill`.other(x) from t"),
            // What a query calls a table, a column of a table in full, another database, another's table.
            ("select sales.id from hr.people sales", "select sales.id from hr.people sales"),
            ("select hr.sales.orders, sales2.orders from hr.sales", "select hr.sales.orders, sales2.orders from hr.sales"),
            ("select t.sales.orders from t", "select t.sales.orders from t"),
            // Texts and comments.
            (
                "select 'sales.orders', \"it\\\"s sales.orders\" -- from sales.orders\n/* sales.orders */ from sales.orders",
                "select 'sales.orders', \"it\\\"s sales.orders\" -- from sales.orders\n/* sales.orders */ from drill.orders",
            ),
            ("select `sales.orders`, 大阪 from /* the */ sales.orders", "select `sales.orders`, 大阪 from /* the */ drill.orders"),
            ("from sales.orders o insert", "from drill.orders o insert"),
            ("", ""),
        ] {
            assert_eq!(told(text), then);
        }
    }

    #[test]
    fn a_column_named_with_database_and_table_turns_with_its_table() {
        assert_eq!(told("select `sales`.`orders`.`id` from `sales`.`orders`"), "select `drill`.`orders`.`id` from `drill`.`orders`");
    }

    proptest::proptest! {
        #[test]
        fn a_text_without_the_name_comes_back_as_it_is(text in "[a-r`'\"\\\\./*\\- \n大(]{0,40}") {
            proptest::prop_assert_eq!(told(&text), text);
        }
    }
}
