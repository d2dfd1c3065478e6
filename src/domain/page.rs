//! A report to read and to print: facts and tables, as Markdown or as one plain HTML page. Pure.

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
    /// As Markdown. Nothing in it can leave its cell.
    pub fn to_markdown(&self) -> String {
        let cell = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;");
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
        let safe = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
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
