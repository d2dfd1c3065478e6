//! The reports of identity changes to read and to print.

use super::{AdjustOutcome, AdjustReport, ReversalOutcome, ReversalReport, ServiceEnding, StepReport};
use crate::domain::page::{Page, Table};

fn steps(steps: &[StepReport]) -> Table {
    let rows = steps.iter().map(|s| vec![s.step.clone(), s.state.clone(), s.detail.clone()]).collect();
    ("Steps", vec!["Step", "State", "Evidence"], rows)
}

impl AdjustReport {
    /// To read and to print.
    pub fn page(&self) -> Page {
        let result = match self.outcome {
            AdjustOutcome::Promoted | AdjustOutcome::TakenBack if self.not_up().next().is_some() => {
                let names: Vec<_> = self.not_up().map(|service| service.name.as_str()).collect();
                format!("{} is primary at epoch {}; NOT UP: {}", self.primary, self.epoch, names.join(", "))
            }
            AdjustOutcome::Promoted if self.held => {
                format!("{} is primary at epoch {}; its services are closed until a person commits the promotion", self.primary, self.epoch)
            }
            AdjustOutcome::Promoted => format!("{} is primary at epoch {}", self.primary, self.epoch),
            AdjustOutcome::TakenBack => format!("taken back; {} is primary again, at epoch {}", self.primary, self.epoch),
            AdjustOutcome::Aborted => format!("undone before the promotion; {} is primary as before", self.primary),
            AdjustOutcome::Refused => format!("not begun; {} is primary as before", self.primary),
        };
        let services = self.services.iter().map(|service| {
            let point = match (service.ending, service.recovery_point) {
                (ServiceEnding::NotUp, _) => "NOT UP".to_owned(),
                (ServiceEnding::WentOn, _) => "what it held".to_owned(),
                (ServiceEnding::Resumed, point) => point.map_or("what was live".to_owned(), |point| point.to_string()),
            };
            let lost = service.lost_secs.map_or("unknown".to_owned(), |secs| format!("{secs} s of writes"));
            vec![service.name.to_string(), point, lost, service.error.as_ref().map(ToString::to_string).unwrap_or_default()]
        });
        let mut facts = vec![("Result", result), ("Pair", self.pair.to_string())];
        facts.extend(self.declared.as_ref().map(|declared| ("Declared, not proven", declared.words.clone())));
        facts.extend(self.error.as_ref().map(|trouble| ("Why", trouble.to_string())));
        let fences = self.fences.iter().map(|fence| {
            let proven = if fence.proven { "proven" } else { "NOT PROVEN" };
            vec![fence.cluster.to_string(), fence.data_set.to_string(), proven.to_owned(), fence.evidence.clone()]
        });
        Page {
            title: format!("Identity change of {}", self.pair),
            facts,
            tables: vec![
                steps(&self.steps),
                ("Services", vec!["Service", "Resumed from", "Lost", "Trouble"], services.collect()),
                ("Fences", vec!["Cluster", "Data set", "Fence", "Evidence"], fences.collect()),
            ],
        }
    }
}

impl ReversalReport {
    /// To read and to print.
    pub fn page(&self) -> Page {
        let result = match self.outcome {
            ReversalOutcome::Reversed => format!("{} stands by for {}", self.secondary, self.primary),
            ReversalOutcome::Failed => format!("{} does not stand by yet; it can be tried again", self.secondary),
            ReversalOutcome::Refused => "not begun".to_owned(),
        };
        let services = self.services.iter().map(|service| {
            let from = service.recovery_point.map_or("everything is copied".to_owned(), |point| point.to_string());
            vec![service.name.to_string(), from, service.kept.map_or("nothing".to_owned(), |id| id.to_string())]
        });
        let mut facts = vec![("Result", result), ("Pair", format!("{} at epoch {}", self.pair, self.epoch))];
        facts.extend(self.error.as_ref().map(|trouble| ("Why", trouble.to_string())));
        Page {
            title: format!("Reversal of {}", self.pair),
            facts,
            tables: vec![
                steps(&self.steps),
                ("Services", vec!["Service", "Common recovery point", "Kept at the old primary"], services.collect()),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Epoch, Trouble, TroubleKind};

    /// Also what was not done, and nothing in a reason leaves its cell.
    #[test]
    fn a_report_tells_every_step_in_both_forms() {
        let step = |step: &str, state: &str, detail: &str| StepReport {
            step: step.into(),
            state: state.into(),
            detail: detail.into(),
            what: None,
        };
        let report = AdjustReport {
            pair: "sz-gy".parse().expect("a name"),
            epoch: Epoch(4),
            primary: "east".parse().expect("a name"),
            services: Vec::new(),
            outcome: AdjustOutcome::Aborted,
            steps: vec![step("fence east", "failed", "a | b <script>"), step("promote west", "not executed", "")],
            held: false,
            fences: Vec::new(),
            declared: None,
            error: Some(Trouble::new(TroubleKind::Failed, "east", "a | b <script>")),
            refusal: None,
        };
        let page = report.page();
        let (markdown, html) = (page.to_markdown(), page.to_html());
        for text in [&markdown, &html] {
            assert!(text.contains("not executed") && text.contains("undone before the promotion") && !text.contains("<script>"), "{text}");
        }
        assert!(markdown.contains("| fence east | failed | a \\| b &lt;script&gt; |"), "{markdown}");
    }
}
