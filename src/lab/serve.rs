//! The lab's loop: takes the person's commands, follows the story, and keeps the board true.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::board::{Board, SITE_LOSS_STEPS, Story};
use super::folder::Folder;
use super::proxy::Proxy;
use super::scenario::{self, Lost, millis};
use super::stage::{Names, Stage, blocking, this_program};
use super::view::{LabCommand, Scenario};
use super::workload::Acknowledged;
use super::{LabHandle, LabOptions, debrief};
use crate::controller::EngineHandle;
use crate::controller::fn_waker::Waker;
use crate::domain::{ClusterName, Consistency, Identity, RecoveryPoint, Trouble, TroubleKind};

/// Commands waiting.
const QUEUE: usize = 8;
/// Between two looks at the story.
const STORY_INTERVAL: Duration = Duration::from_millis(200);

/// Starts a lab on the current tokio runtime and returns at once; sites and engine come up behind the handles.
/// It ends, with its sites and its temporary folder, when the last [`LabHandle`] is dropped.
pub fn start(options: LabOptions) -> Result<(LabHandle, EngineHandle), Trouble> {
    let folder = Folder::choose(options.dir)?;
    let program = options.program.map_or_else(this_program, Ok)?;
    let (proxy, engine) = Proxy::new(options.waker.clone());
    let board = Board::default();
    board.busy("starting the sites");
    let (commands, asked) = mpsc::channel(QUEUE);
    let (drawn, snapshots) = watch::channel(Arc::new(board.snapshot(None)));
    tokio::spawn(board.clone().publish(engine.clone(), drawn, options.waker));
    let floor = Floor { folder, program, proxy, engine: engine.clone(), board, stage: None, story: Progress::default(), stages: 0 };
    let alive = options.alive;
    let gone = CancellationToken::new();
    let wanted = gone.clone().drop_guard();
    tokio::spawn(async move {
        floor.serve(asked, gone).await;
        drop(alive);
    });
    Ok((LabHandle::new(commands, snapshots, wanted), engine))
}

/// How far the story is, beside what the board shows of it.
#[derive(Default)]
struct Progress {
    point: Option<RecoveryPoint>,
    lost: Option<(DateTime<Utc>, Vec<Acknowledged>)>,
    prompted_at: Option<DateTime<Utc>>,
    judged: bool,
    fence_judged: bool,
}

struct Floor {
    folder: Folder,
    program: PathBuf,
    proxy: Proxy,
    engine: EngineHandle,
    board: Board,
    stage: Option<Stage>,
    story: Progress,
    stages: u32,
}

impl Floor {
    async fn serve(mut self, asked: mpsc::Receiver<LabCommand>, gone: CancellationToken) {
        // Also in the middle of a scenario's beginning, which takes a while: whoever closed the window waits for the folder to go.
        gone.run_until_cancelled(self.obey_all(asked)).await;
        self.tear_down().await;
        drop((self.engine, self.proxy));
        self.folder.remove().await;
    }

    async fn obey_all(&mut self, mut asked: mpsc::Receiver<LabCommand>) {
        let begun = self.set_up(None).await;
        self.settle(begun);
        let mut ticks = tokio::time::interval(STORY_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                command = asked.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
                _ = ticks.tick() => match self.follow_story().await {
                    Ok(()) => continue,
                    Err(trouble) => Err(trouble),
                },
            };
            self.settle(done);
        }
    }

    /// Ready again, with what went wrong.
    fn settle(&mut self, done: Result<(), Trouble>) {
        self.board.note(self.stage.as_ref());
        let mut shown = self.board.shown();
        shown.ready = true;
        shown.doing = if self.stage.is_some() { "running".into() } else { "stopped: press Reset".into() };
        shown.trouble = done.err().map(|trouble| trouble.to_string());
    }

    async fn obey(&mut self, command: LabCommand) -> Result<(), Trouble> {
        match command {
            LabCommand::Begin(scenario, consistency) => self.set_up(Some((scenario, consistency))).await,
            LabCommand::Reset => self.set_up(None).await,
            LabCommand::PowerOff(site) => self.lose(&site, false).await,
            LabCommand::Freeze(site, true) => self.lose(&site, true).await,
            LabCommand::Freeze(site, false) => self.site(&site)?.freeze(false),
            LabCommand::PowerOn(site) => {
                self.board.busy(&format!("switching {site} on"));
                self.site(&site)?.power_on().await
            }
            LabCommand::CutLink(cut) => self.stage().map(|stage| stage.cut_link(cut)),
            LabCommand::CutConsole(cut) => self.stage().map(|stage| stage.cut_console(cut)),
            LabCommand::FillDisk(site, full) => self.site(&site)?.fill_disk(full),
            LabCommand::SetClockOff(site, secs) => self.site(&site)?.set_clock_off(secs).await,
            LabCommand::ExportDebrief(path) => self.export(path).await,
        }
    }

    fn stage(&mut self) -> Result<&mut Stage, Trouble> {
        self.stage
            .as_mut()
            .ok_or_else(|| Trouble::new(TroubleKind::Refused, "training lab", "its sites are not running").next("press Reset"))
    }

    fn site(&mut self, name: &ClusterName) -> Result<&mut super::sites::Site, Trouble> {
        self.stage()?.site(name)
    }

    async fn tear_down(&mut self) {
        self.proxy.disconnect();
        if let Some(mut stage) = self.stage.take() {
            for site in [&mut stage.east, &mut stage.west] {
                if let Err(trouble) = site.power_off().await {
                    tracing::warn!(%trouble, "a lab site did not stop");
                }
            }
        }
        self.board.note(None);
    }

    fn root(&self, stage: u32) -> PathBuf {
        self.folder.path().join(format!("lab-{stage}"))
    }

    /// A clean lab, and with a scenario everything that precedes its loss.
    async fn set_up(&mut self, scenario: Option<(Scenario, Consistency)>) -> Result<(), Trouble> {
        self.board.busy("starting the sites");
        self.tear_down().await;
        if self.stages > 0 {
            self.folder.remove_old(self.root(self.stages - 1));
        }
        self.story = Progress::default();
        {
            let mut shown = self.board.shown();
            shown.wrong_moves = 0;
            shown.trouble = None;
            shown.story = scenario.map(|(scenario, consistency)| Story::new(scenario, consistency));
        }
        // Every lab has a folder of its own: nothing of the one before can be mistaken for its own.
        let root = self.root(self.stages);
        self.stages += 1;
        let stage = Stage::build(&root, &self.program, Waker::default()).await?;
        self.proxy.connect(stage.engine.clone());
        self.board.note(Some(&stage));
        let stage = self.stage.insert(stage);
        let board = self.board.clone();
        match scenario {
            Some((_, consistency)) => {
                self.story.point = Some(scenario::prepare(stage, consistency, &|doing| board.busy(doing)).await?);
            }
            None => stage.workload.run(true),
        }
        Ok(())
    }

    /// Powers a site off, or freezes it.
    async fn lose(&mut self, name: &ClusterName, freeze: bool) -> Result<(), Trouble> {
        let names = Names::new()?;
        let stage = self.stage()?;
        if freeze {
            stage.site(name)?.freeze(true)?;
        } else {
            stage.site(name)?.power_off().await?;
        }
        stage.workload.mark(format!("{name} {}", if freeze { "frozen" } else { "lost" }));
        let acknowledged = stage.workload.acknowledged();
        if *name == names.east && self.story.lost.is_none() {
            self.story.lost = Some((Utc::now(), acknowledged));
            self.step(1);
        } else if *name == names.west && self.story.lost.is_some() {
            // The survivor: nobody is left to take over.
            self.board.shown().wrong_moves += 1;
        }
        Ok(())
    }

    fn step(&self, done: usize) {
        if let Some(story) = &mut self.board.shown().story {
            story.steps_done = story.steps_done.max(done);
        }
    }

    /// Looks whether the person is further, and judges the data once the application goes on.
    async fn follow_story(&mut self) -> Result<(), Trouble> {
        let (Some(stage), Some((lost_at, acknowledged)), Some(point)) = (&self.stage, &self.story.lost, &self.story.point) else {
            return Ok(());
        };
        let lost_at = *lost_at;
        let names = Names::new()?;
        let snapshot = self.engine.snapshot();
        if self.story.prompted_at.is_none() && snapshot.pairs.iter().any(|pair| pair.fault.is_some()) {
            self.story.prompted_at = Some(Utc::now());
            self.step(2);
        }
        let Some((decided_at, adjusted)) = self.proxy.adjusted().filter(|(at, _)| *at > lost_at) else { return Ok(()) };
        if !self.story.judged {
            self.step(4);
            let Some(resumed_at) = stage.workload.first_served(&names.west, decided_at) else { return Ok(()) };
            self.story.judged = true;
            stage.workload.mark("identity adjusted");
            // The newest sealed point may be a later one than the scenario's own: the person may have run more.
            let resumed = adjusted.services.iter().find_map(|service| service.recovery_point);
            let point = snapshot.points.iter().find(|known| Some(known.id) == resumed).unwrap_or(point);
            let lost = Lost { point, acknowledged, lost_at, adjusted: &adjusted };
            let checks = scenario::survivor(stage, &lost).await;
            let old_way = debrief::old_way(point, &checks);
            let mut shown = self.board.shown();
            let prompted_at = self.story.prompted_at;
            if let Some(story) = &mut shown.story {
                story.rpo_ms = millis(point.captured.first, lost_at);
                story.rto_ms = millis(lost_at, resumed_at);
                story.deciding_ms = prompted_at.and_then(|prompted_at| millis(prompted_at, decided_at));
                story.switching_ms = millis(decided_at, resumed_at);
                story.checks = checks;
                story.steps_done = story.steps_done.max(5);
                if story.consistency == Consistency::PerComponent {
                    shown.old_way = Some(old_way);
                }
            }
        } else if !self.story.fence_judged && stage.east.is_up() && !stage.east.is_frozen() {
            let east = snapshot.pairs.iter().flat_map(|pair| &pair.clusters).find(|cluster| cluster.name == names.east);
            if east.is_some_and(|east| east.fenced == Some(true) && east.identity == Identity::Secondary) {
                self.story.fence_judged = true;
                let check = scenario::fence_check(stage, &names).await?;
                if let Some(story) = &mut self.board.shown().story {
                    story.checks.push(check);
                    story.steps_done = story.steps_done.max(6);
                }
            }
        }
        Ok(())
    }

    async fn export(&mut self, path: PathBuf) -> Result<(), Trouble> {
        let covered = self.engine.snapshot().points.first().map(|point| point.captured.first);
        let text = debrief::text(&self.board.snapshot(covered));
        let write = move || {
            let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            folder.and_then(|()| std::fs::write(&path, text)).map_err(|e| Trouble::new(TroubleKind::Failed, path.display(), e))
        };
        blocking(write).await?;
        let done = self.board.shown().story.as_ref().map_or(0, |story| story.steps_done);
        if done + 1 >= SITE_LOSS_STEPS.len() {
            self.step(SITE_LOSS_STEPS.len());
        }
        Ok(())
    }
}
