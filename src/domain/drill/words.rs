//! A drill's report to read and to print: Markdown, and HTML in one plain page.

use super::check::CheckEnd;
use super::report::{DrillOutcome, DrillReport, StepEnd, seconds};

/// A table of the report: its heading, its columns, its rows.
type Table = (&'static str, Vec<&'static str>, Vec<Vec<String>>);

impl DrillReport {
    /// How it came out, in a line.
    pub fn in_words(&self) -> String {
        let outcome = match self.outcome {
            None => "under way",
            Some(DrillOutcome::Passed) => "passed",
            Some(DrillOutcome::Failed) => "failed",
            Some(DrillOutcome::Stopped) => "stopped",
        };
        let clean = if self.clean { "clean" } else { "not clean yet" };
        format!("{outcome}, {}, {clean}", self.rto_words())
    }

    /// The RTO shown against the one promised.
    pub fn rto_words(&self) -> String {
        let shown = self.rto_ms.map_or_else(|| "no RTO shown".to_owned(), |ms| format!("RTO {:.1} s", seconds(ms)));
        match (self.rto_target_minutes, self.within_target) {
            (Some(minutes), Some(true)) => format!("{shown} (target {minutes} min: kept)"),
            (Some(minutes), Some(false)) => format!("{shown} (target {minutes} min: missed)"),
            (Some(minutes), None) => format!("{shown} (target {minutes} min)"),
            (None, _) => shown,
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        vec![
            ("Result", self.in_words()),
            ("Drill", self.drill.to_string()),
            ("Service", format!("{} of pair {}", self.service, self.pair)),
            ("Recovery point", format!("{}, captured {}", self.point, time(self.captured_at))),
            ("Brought up at", self.cluster.to_string()),
            ("Pressed", format!("{} by {}", time(self.pressed_at), self.by)),
            ("Clean", self.ended_at.map_or_else(|| "not yet".to_owned(), time)),
            ("Signed off", self.signed.as_ref().map_or_else(|| "no".to_owned(), |s| format!("{} by {}: {}", time(s.at), s.by, s.remark))),
        ]
    }

    fn tables(&self) -> Vec<Table> {
        let steps = self.steps.iter().map(|s| vec![s.step.clone(), step_word(s.state).to_owned(), s.detail.clone()]);
        let checks = self.checks.iter().map(|c| {
            let took = if c.state == CheckEnd::NotExecuted { String::new() } else { format!("{:.1} s", seconds(c.took_ms)) };
            vec![c.name.clone(), check_word(c.state).to_owned(), took, c.evidence.clone()]
        });
        let places = self.places.iter().map(|p| vec![p.data_set.to_string(), p.place.clone()]);
        let listed = if self.clean { vec!["nothing".to_owned()] } else { self.left.clone() };
        let cleaned = self.removed.iter().map(|place| vec![place.clone(), "removed".to_owned()]);
        let cleaned = cleaned.chain(listed.into_iter().map(|left| vec![left, "in the listing afterwards".to_owned()]));
        vec![
            ("Steps", vec!["Step", "State", "Evidence"], steps.collect()),
            ("Checks", vec!["Check", "State", "Took", "Evidence"], checks.collect()),
            ("Places", vec!["Data set", "Brought up as"], places.collect()),
            ("Cleaning", vec!["Place", ""], cleaned.collect()),
        ]
    }

    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let cell = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;");
        let mut text = format!("# Drill of {}\n\n", self.service);
        for (name, value) in self.facts() {
            text.push_str(&format!("- **{name}**: {}\n", cell(&value)));
        }
        for (heading, columns, rows) in self.tables() {
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
        let title = format!("Drill of {}", safe(self.service.as_str()));
        let mut text = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n<style>body{{font:11pt sans-serif;\
             margin:2em}}table{{border-collapse:collapse;width:100%}}td,th{{border:1px solid #888;padding:.3em .5em;text-align:left;\
             vertical-align:top;overflow-wrap:anywhere}}</style></head>\n<body><h1>{title}</h1>\n<table>"
        );
        for (name, value) in self.facts() {
            text.push_str(&format!("<tr><th>{name}</th><td>{}</td></tr>\n", safe(&value)));
        }
        text.push_str("</table>\n");
        for (heading, columns, rows) in self.tables() {
            text.push_str(&format!("<h2>{heading}</h2>\n<table><tr><th>{}</th></tr>\n", columns.join("</th><th>")));
            for row in rows {
                text.push_str(&format!("<tr><td>{}</td></tr>\n", row.iter().map(|v| safe(v)).collect::<Vec<_>>().join("</td><td>")));
            }
            text.push_str("</table>\n");
        }
        text + "</body></html>\n"
    }
}

/// A step's state for people.
pub fn step_word(state: StepEnd) -> &'static str {
    match state {
        StepEnd::Done => "done",
        StepEnd::Failed => "failed",
        StepEnd::UnderWay => "under way",
        StepEnd::NotExecuted => "not executed",
    }
}

/// A check's state for people.
pub fn check_word(state: CheckEnd) -> &'static str {
    match state {
        CheckEnd::Passed => "held",
        CheckEnd::Failed => "did not hold",
        CheckEnd::NotExecuted => "not executed",
    }
}
