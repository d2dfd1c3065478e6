//! Starting an engine: lock, store, term, everything unfinished taken up again, then the loop.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::domain::Trouble;
use crate::store::controller::Store;

use super::bounds::{ENDED_DRILLS, ENDED_RUNS};
use super::connect::{Connector, HttpsConnector};
use super::engine::{Engine, Parts, publish};
use super::host::{Host, RealHost, on_disk};
use super::limits::Limits;
use super::lock::StateLock;
use super::model::{ACTIVITY, DrillModel, Model, PairModel, RunModel};
use super::settings::Settings;
use super::{
    Asked, EngineHandle, EngineSpec, Snapshot, certificates, commands, drills, identity, route, runs, scheduler, socket, view,
    watch as clients,
};

/// Commands that may wait.
const COMMANDS: usize = 64;

/// Starts the engine of a state directory. It stops when the last handle to it is dropped; what it was doing goes on at the next
/// start. A state directory that another engine holds is refused: [`attach`](super::attach) to that one.
pub async fn start(spec: EngineSpec) -> Result<EngineHandle, Trouble> {
    let state = spec.state.clone();
    let host = Arc::new(RealHost);
    let now = host.now();
    let connector = on_disk(&*host, move || {
        prepare(&state)?;
        HttpsConnector::open(&state, now)
    })
    .await?;
    start_with(spec, Arc::new(connector), Limits::default(), host).await
}

/// Starts an engine that reaches agents in another way, with other time limits, on another machine.
pub async fn start_with(
    spec: EngineSpec,
    connector: Arc<dyn Connector>,
    limits: Limits,
    host: Arc<dyn Host>,
) -> Result<EngineHandle, Trouble> {
    let state = spec.state.clone();
    let watch = spec.watch;
    let chance = host.chance();
    let (held, store, mut model, term, settings) = on_disk(&*host, move || {
        prepare(&state)?;
        let held = StateLock::take(&state)?;
        let settings = Settings::read(&state, watch, limits)?;
        let store = Store::open(&state)?;
        let mut model = load(&store)?;
        model.mode = settings.watch.mode;
        model.before = store.term()?;
        let term = store.term()?.after(chance);
        store.take_term(term)?;
        Ok((held, store, model, term, settings))
    })
    .await?;
    let listener = socket::bind(&spec.state)?;
    let routes = match &spec.route {
        Some(address) => Some(route::bind(address).await?),
        None => None,
    };
    model.certificate = connector.certificate();
    let first = Arc::new(view::snapshot(&model, host.now()));
    let engine = Engine::new(Parts {
        host,
        store: Arc::new(store),
        connector,
        settings: settings.watch,
        limits: settings.limits,
        training: spec.training,
        alerts: settings.alerts,
        waker: spec.waker,
        term,
        model,
    });
    let (news, snapshots) = watch::channel(first);
    let news = Arc::new(news);
    let (commands, asked) = mpsc::channel::<Asked>(COMMANDS);
    engine.spawn(publish(engine.clone(), news.clone()));
    engine.spawn(socket::serve(listener, commands.downgrade(), snapshots.clone(), engine.stopper()));
    if let Some(listener) = routes {
        engine.spawn(route::serve(engine.clone(), listener));
    }
    take_up(&engine);
    engine.spawn(scheduler::run(engine.clone()));
    engine.spawn(certificates::keep(engine.clone()));
    tokio::spawn(serve(engine, asked, news, held));
    Ok(EngineHandle::new(commands, snapshots))
}

/// Makes the state directory, for us alone.
fn prepare(state: &Path) -> Result<(), Trouble> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(|e| {
        Trouble::new(crate::domain::TroubleKind::Failed, format!("state directory {}", state.display()), e)
            .next("give another --state, or the rights to make this one")
    })
}

/// Everything the store knows.
fn load(store: &Store) -> Result<Model, Trouble> {
    let mut model = Model::default();
    for paired in store.pairs()? {
        let events = store.pair_events(&paired.name)?;
        let state = identity::fold(&paired.name, &events)?;
        let name = paired.name.clone();
        let mut pair = PairModel::new(paired, state, &events);
        pair.users = store.users(&name)?;
        pair.maintenance = store.maintenance(&name)?;
        model.pairs.insert(name, pair);
    }
    for service in store.services()? {
        model.missed.insert(service.name.clone(), store.missed_moments(&service.name, 20)?);
        model.services.insert(service.name.clone(), service);
    }
    for point in store.points()? {
        model.add_point(point);
    }
    for (run, events) in store.run_events(u32::try_from(ENDED_RUNS).unwrap_or(u32::MAX))? {
        let mut known = RunModel::new(runs::fold(run, &events)?);
        known.events = events.len();
        model.runs.insert(run, known);
    }
    for (drill, events) in store.drill_events(u32::try_from(ENDED_DRILLS).unwrap_or(u32::MAX))? {
        let state = drills::fold(drill, &events)?;
        model.drills.insert(drill, DrillModel { state, events: events.len(), doing: String::new() });
    }
    model.activity = store.activity(u32::try_from(ACTIVITY).unwrap_or(u32::MAX))?.into();
    model.ready = model.pairs.is_empty();
    model.settle();
    Ok(model)
}

/// Goes on with every pair and every unfinished run: recovery is what always happens.
fn take_up(engine: &Arc<Engine>) {
    let (pairs, unfinished) = engine.read(|m| {
        let unfinished: Vec<_> = m.runs.values().filter(|r| !r.has_ended()).map(|r| (r.state.clone(), r.events)).collect();
        (m.pairs.keys().cloned().collect::<Vec<_>>(), unfinished)
    });
    for pair in &pairs {
        clients::begin(engine, pair);
    }
    for drill in engine.read(|m| m.drills.iter().filter(|(_, d)| d.state.is_under_way()).map(|(id, _)| *id).collect::<Vec<_>>()) {
        drills::resume(engine, drill);
    }
    for (state, events) in unfinished {
        runs::resume(engine, state, events);
    }
}

/// The loop: every command becomes a task of its own. Ends when nobody holds a handle any more.
async fn serve(engine: Arc<Engine>, mut asked: mpsc::Receiver<Asked>, news: Arc<watch::Sender<Arc<Snapshot>>>, held: StateLock) {
    while let Some((command, reply)) = asked.recv().await {
        let engine_of_task = engine.clone();
        engine.spawn(async move {
            let answer = commands::carry_out(&engine_of_task, command).await;
            // The asker may be gone; the command was carried out all the same.
            drop(reply.send(answer));
        });
    }
    engine.shut_down().await;
    drop(held);
    // Last of all: whoever waits for the end sees it by this.
    drop(news);
}
