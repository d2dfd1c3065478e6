//! `understudy-agent check`: everything that can be said before pairing, line by line.

use std::time::Duration;

use super::config::AgentConfig;
use super::open;
use crate::components::Component;
use crate::domain::Health;

/// How long a component may take for its part.
const COMPONENT_LIMIT: Duration = Duration::from_secs(15);

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckLine {
    /// Whether it is as it must be.
    pub well: bool,
    /// What was found, in words.
    pub text: String,
}

fn line(well: bool, text: impl Into<String>) -> CheckLine {
    CheckLine { well, text: text.into() }
}

/// Looks at the state folder and at every component: answers, rights, space.
pub async fn check(config: &AgentConfig) -> Vec<CheckLine> {
    crate::protocol::tls::install_provider();
    let mut lines = vec![match config.prepare_state() {
        Ok(()) => line(true, format!("state folder {}", config.state.display())),
        Err(trouble) => line(false, trouble.to_string()),
    }];
    match config.route_listen() {
        Ok(route) => lines.push(line(true, format!("listens at {}, route at {route}", config.listen))),
        Err(trouble) => lines.push(line(false, trouble.to_string())),
    }
    match open::components(config) {
        Ok(components) => {
            for component in components.values() {
                lines.extend(check_component(component.as_ref()).await);
            }
        }
        Err(trouble) => lines.push(line(false, trouble.to_string())),
    }
    lines
}

async fn check_component(component: &dyn Component) -> Vec<CheckLine> {
    let name = component.name();
    let hangs = || vec![line(false, format!("{name}: no answer within {} s", COMPONENT_LIMIT.as_secs()))];
    let Ok(report) = tokio::time::timeout(COMPONENT_LIMIT, component.probe()).await else { return hangs() };
    let mut lines = vec![line(report.health == Health::Healthy, format!("{name}: {}: {}", report.health, report.evidence))];
    let Ok(described) = tokio::time::timeout(COMPONENT_LIMIT, component.describe()).await else { return hangs() };
    match described {
        Ok(info) => {
            let version = if info.version.is_empty() { String::new() } else { format!(" {}", info.version) };
            lines.push(line(true, format!("{name}: {}{version} at {}", info.kind, info.address)));
            let free = info.free_bytes.map_or("space is not known".to_owned(), |bytes| format!("{} MiB free", bytes >> 20));
            lines.push(line(info.free_bytes != Some(0), format!("{name}: {free}")));
            if info.kerberos {
                lines.push(line(false, format!("{name}: asks for Kerberos, which this version does not speak")));
            }
            lines.extend(info.missing_rights.iter().map(|right| line(false, format!("{name}: missing right: {right}"))));
        }
        Err(trouble) => lines.push(line(false, format!("{name}: {trouble}"))),
    }
    lines
}
