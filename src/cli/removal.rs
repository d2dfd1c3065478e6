//! `understudy unpair`, `kept` and `leftovers`: what would go for good is shown first, and goes only with the pair's name.

use chrono::Utc;

use crate::controller::command::{CopyKept, Going, Leftovers, Removal};
use crate::controller::{Command, Reply};
use crate::domain::{PairName, PointId, Trouble, TroubleKind};
use crate::terminal;

use super::adjust::person;
use super::session::{Session, unexpected};
use super::simple::say;
use super::{DONE, FAILED, output};

/// Dissolves a pair.
pub(super) async fn unpair(session: &Session, pair: PairName, confirm: Option<String>, json: bool) -> Result<u8, Trouble> {
    let (going, confirm) = show(session, &pair, Removal::Pair, confirm, json).await?;
    let leftovers = match session.ask(Command::Unpair { pair: pair.clone(), confirm, by: person() }).await? {
        Reply::Unpaired(leftovers) => leftovers,
        other => return Err(unexpected(&other)),
    };
    let mut lines = vec![format!("pair {pair} is dissolved")];
    lines.extend(leftovers.iter().map(|left| format!("left behind: {left}")));
    say(json, &serde_json::json!({ "pair": pair, "leftovers": leftovers, "removed": going }), &lines)?;
    if leftovers.is_empty() {
        return Ok(DONE);
    }
    let left = format!("it is dissolved, and {} things were left behind", leftovers.len());
    let trouble = Trouble::new(TroubleKind::Failed, format!("pair {pair}"), left);
    Err(trouble
        .next("bring back what did not answer, pair the same two agents once more (an agent that has left needs a new code), and unpair"))
}

/// Lists what old primaries keep, or removes one for good.
pub(super) async fn kept(
    session: &Session,
    pair: PairName,
    remove: Option<PointId>,
    mut confirm: Option<String>,
    json: bool,
) -> Result<u8, Trouble> {
    if let Some(id) = remove {
        confirm = Some(show(session, &pair, Removal::Kept(id), confirm, json).await?.1);
    }
    match session.ask(Command::Kept { pair, remove, confirm, copy: None, by: person() }).await? {
        Reply::Kept(kept) => say(json, &kept, &output::kept_lines(&kept)),
        other => Err(unexpected(&other)),
    }
}

/// Copies what is kept out, on the host of the agent that keeps it.
pub(super) async fn copy_kept(session: &Session, pair: PairName, copy: CopyKept, json: bool) -> Result<u8, Trouble> {
    match session.ask(Command::Kept { pair, remove: None, confirm: None, copy: Some(copy), by: person() }).await? {
        Reply::KeptCopied(copied) => say(json, &copied, &output::copied_lines(&copied)),
        other => Err(unexpected(&other)),
    }
}

/// What a person asks of the leftovers.
pub(super) struct Leftover {
    pub remove: bool,
    pub unknown: bool,
    pub confirm: Option<String>,
}

/// Lists leftovers, or removes them; unknown ones only with the pair's name.
pub(super) async fn leftovers(session: &Session, pair: PairName, ask: Leftover, json: bool) -> Result<u8, Trouble> {
    let Leftover { remove, unknown, mut confirm } = ask;
    if remove && unknown {
        confirm = Some(show(session, &pair, Removal::Leftovers, confirm, json).await?.1);
    }
    match session.ask(Command::Leftovers { pair, remove, unknown, confirm, by: person() }).await? {
        Reply::Leftovers(found) => told(&found, json),
        other => Err(unexpected(&other)),
    }
}

fn told(found: &Leftovers, json: bool) -> Result<u8, Trouble> {
    say(json, found, &output::leftover_lines(found, Utc::now()))?;
    Ok(if found.failed().next().is_none() { DONE } else { FAILED })
}

/// Shows what would go. Without the pair's name that is all, and the command to type is told; the engine looks at the name once more.
async fn show(
    session: &Session,
    pair: &PairName,
    removal: Removal,
    confirm: Option<String>,
    json: bool,
) -> Result<(Going, String), Trouble> {
    let going = match session.ask(Command::WouldGo { pair: pair.clone(), removal }).await? {
        Reply::WouldGo(going) => going,
        other => return Err(unexpected(&other)),
    };
    let lines = going.lines(&|at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    let right = confirm.as_deref() == Some(pair.as_str());
    if json && !right {
        output::json(&serde_json::json!({ "would_remove": going, "command": going.command() }))?;
    } else if json {
        lines.iter().for_each(terminal::aside);
    } else {
        lines.iter().try_for_each(|line| output::line(line))?;
    }
    let unconfirmed = || {
        Trouble::new(TroubleKind::Refused, format!("pair {pair}"), "nothing is removed without the name of the pair after --confirm")
            .next(going.command())
    };
    let typed = confirm.ok_or_else(unconfirmed)?;
    Ok((going, typed))
}
