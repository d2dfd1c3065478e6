//! A report to read and to print: facts and tables, as Markdown or as one plain HTML page. Pure.
//!
//! What a report tells holds names that applications chose: they are letters in a cell, whatever they say.

use super::shown::shown;

/// A table: its heading, its columns, its rows.
pub type Table = (&'static str, Vec<&'static str>, Vec<Vec<String>>);

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What it is about.
    pub title: String,
    /// Name and value, in order.
    pub facts: Vec<(&'static str, String)>,
    /// What happened.
    pub tables: Vec<Table>,
}

impl Page {
    /// As Markdown. Nothing in it can leave its cell, or become a link, an image or HTML.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# {}\n\n", cell(&self.title));
        for (name, value) in &self.facts {
            text.push_str(&format!("- **{name}**: {}\n", cell(value)));
        }
        for (heading, columns, rows) in &self.tables {
            text.push_str(&format!("\n## {heading}\n\n| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len())));
            for row in rows {
                text.push_str(&format!("| {} |\n", row.iter().map(|value| cell(value)).collect::<Vec<_>>().join(" | ")));
            }
        }
        text
    }

    /// As a page to print; nothing is loaded from elsewhere.
    pub fn to_html(&self) -> String {
        let safe = |text: &str| html(&shown(text).to_string());
        let title = safe(&self.title);
        let mut text = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n<style>body{{font:11pt sans-serif;\
             margin:2em}}table{{border-collapse:collapse;width:100%}}td,th{{border:1px solid #888;padding:.3em .5em;text-align:left;\
             vertical-align:top;overflow-wrap:anywhere}}</style></head>\n<body><h1>{title}</h1>\n<table>"
        );
        for (name, value) in &self.facts {
            text.push_str(&format!("<tr><th>{name}</th><td>{}</td></tr>\n", safe(value)));
        }
        text.push_str("</table>\n");
        for (heading, columns, rows) in &self.tables {
            text.push_str(&format!("<h2>{heading}</h2>\n<table><tr><th>{}</th></tr>\n", columns.join("</th><th>")));
            for row in rows {
                text.push_str(&format!("<tr><td>{}</td></tr>\n", row.iter().map(|v| safe(v)).collect::<Vec<_>>().join("</td><td>")));
            }
            text.push_str("</table>\n");
        }
        text + "</body></html>\n"
    }
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// Text as a Markdown reader shows it: letter by letter. What begins a link, an image, HTML, emphasis, mathematics or a cell is an escape or
/// an entity, and so is what readers make a link of by themselves: `://`, `www.` and `@`.
fn cell(text: &str) -> String {
    let text = shown(&text.replace(['\n', '\r'], " ")).to_string();
    let mut safe = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let before = &text.as_bytes()[..at];
        match character {
            '\\' | '[' | ']' | '(' | ')' | '!' | '*' | '_' | '`' | '|' | '~' | '#' | '$' => safe.extend(['\\', character]),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '@' => safe.push_str("&#64;"),
            ':' if text[at..].starts_with("://") => safe.push_str("&#58;"),
            '.' if before.len() >= 3 && before[before.len() - 3..].eq_ignore_ascii_case(b"www") => safe.push_str("&#46;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(text: &str) -> Page {
        Page {
            title: text.to_owned(),
            facts: vec![("Fact", text.to_owned())],
            tables: vec![("Table", vec!["One", "Two"], vec![vec![text.to_owned(), "plain".to_owned()]])],
        }
    }

    #[test]
    fn a_name_becomes_no_link_no_image_and_no_html_in_a_report() {
        let text = page("![x](https://e.example/p.png) <img src=x> `a` | www.e.example a@e.example *b* _c_").to_markdown();
        let row = text.lines().find(|line| line.starts_with("| \\!")).expect("the row");
        assert_eq!(
            row,
            "| \\!\\[x\\]\\(https&#58;//e.example/p.png\\) &lt;img src=x&gt; \\`a\\` \\| www&#46;e.example a&#64;e.example \\*b\\* \\_c\\_ | plain |"
        );
        let text = page("/data/orders at 14:05:41, 3 of 5").to_markdown();
        assert!(text.contains("| /data/orders at 14:05:41, 3 of 5 | plain |"), "ordinary text stays readable: {text}");
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_cell_or_its_line(text in any::<String>()) {
            let page = page(&text);
            let (markdown, html) = (page.to_markdown(), page.to_html());
            prop_assert_eq!(markdown.lines().count(), self::page("a").to_markdown().lines().count());
            prop_assert_eq!(html.matches('<').count(), self::page("a").to_html().matches('<').count());
            for text in [markdown, html] {
                prop_assert!(!text.chars().any(|c| c != '\n' && crate::domain::shown::misleads(c)), "{text:?}");
            }
        }
    }
}
