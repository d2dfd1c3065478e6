//! What is done to whom, and when it ends: as soon as it is told, or does not matter any more.

use rustix::process::{Pid, Signal, kill_process};
use understudy::lab::relays::Cable;

use super::seen::Begun;
use super::world::{Needs, Place, World};

/// What happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// `kill -9`; started again at once.
    Kill,
    /// SIGSTOP, until the silence is told; then SIGCONT.
    Stop,
    /// The network resets everything, until that is told.
    Cut,
    /// The network swallows everything, until that is told.
    Silence,
    /// A full disk, until that is told.
    Full,
    /// The clock jumps ahead by an hour; back again at the end.
    Ahead,
    /// Likewise, the other way.
    Behind,
}

/// Whom it meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Victim {
    East,
    West,
    /// `understudy engine`, to which the command is attached.
    Engine,
    /// The command, which is attached to an engine.
    Command,
    /// The command, which holds the engine itself, as a console does.
    Console,
    /// The network between the engine and east.
    EngineEast,
    EngineWest,
    /// The network between the agents.
    Agents,
}

/// A fault and its victim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Strike {
    pub fault: Fault,
    pub victim: Victim,
}

/// Every fault with everyone that it can meet.
pub fn all() -> Vec<Strike> {
    use {Fault as F, Victim as V};
    let table: &[(F, &[V])] = &[
        (F::Kill, &[V::East, V::West, V::Engine, V::Command, V::Console]),
        (F::Stop, &[V::East, V::West, V::Engine]),
        (F::Cut, &[V::EngineEast, V::EngineWest, V::Agents]),
        (F::Silence, &[V::EngineEast, V::EngineWest, V::Agents]),
        (F::Full, &[V::East, V::West, V::Engine]),
        (F::Ahead, &[V::East, V::West, V::Engine]),
        (F::Behind, &[V::East, V::West, V::Engine]),
    ];
    table.iter().flat_map(|(fault, victims)| victims.iter().map(|victim| Strike { fault: *fault, victim: *victim })).collect()
}

impl Strike {
    /// Its world.
    pub fn needs(self) -> Needs {
        let clocks = matches!(self.fault, Fault::Ahead | Fault::Behind);
        Needs { disk: (self.fault == Fault::Full).then(|| self.place()), clocks, no_engine: self.victim == Victim::Console }
    }

    fn place(self) -> Place {
        match self.victim {
            Victim::East | Victim::EngineEast => Place::East,
            Victim::West | Victim::EngineWest | Victim::Agents => Place::West,
            Victim::Engine | Victim::Command | Victim::Console => Place::Engine,
        }
    }

    fn link(self) -> usize {
        match self.victim {
            Victim::EngineEast => 0,
            Victim::EngineWest => 1,
            _ => 2,
        }
    }

    /// Does it.
    pub fn strike(self, world: &mut World, begun: &mut Begun) {
        match (self.fault, self.victim) {
            (Fault::Kill, Victim::East) => world.east.kill(),
            (Fault::Kill, Victim::West) => world.west.kill(),
            (Fault::Kill, Victim::Engine) => world.engine.take().expect("an engine").kill(),
            (Fault::Kill, _) => {
                // It may just have ended by itself.
                drop(begun.process.kill());
                begun.process.wait().unwrap();
            }
            (Fault::Stop, _) => signal(world.pid(self.place()), Signal::STOP),
            (Fault::Cut, _) => world.links[self.link()].set(Cable::Cut),
            (Fault::Silence, _) => world.links[self.link()].set(Cable::Silent),
            (Fault::Full, _) => {
                world.disk.as_ref().expect("a disk").fill();
                // What was said before tells nothing of it.
                drop(world.engine.as_ref().expect("an engine").lines());
            }
            (Fault::Ahead, _) => world.step(self.place(), "+1h"),
            (Fault::Behind, _) => world.step(self.place(), "-1h"),
        }
    }

    /// Whether somebody is told of it; a kill needs nobody.
    pub fn is_told(self, world: &World, log_since: usize, engine_said: &mut String) -> bool {
        match (self.fault, self.victim) {
            (Fault::Kill, _) => true,
            (Fault::Stop, Victim::Engine) => world.controller.say(&["status"]).code() != 0,
            (Fault::Stop | Fault::Cut | Fault::Silence, Victim::Agents) => {
                world.status()["pairs"][0].to_string().contains("has not seen the agent of")
            }
            (Fault::Stop | Fault::Cut | Fault::Silence, _) => {
                let status = world.status();
                let clusters = status["pairs"][0]["clusters"].as_array().cloned().unwrap_or_default();
                let name = &world.agent(self.place()).name;
                clusters.iter().any(|cluster| cluster["name"] == name.as_str() && cluster["agent_answers"] == false)
            }
            (Fault::Full, Victim::Engine) => {
                engine_said.push_str(&world.engine.as_ref().expect("an engine").lines().join("\n"));
                tells_of_room(engine_said)
            }
            // An agent that cannot even take an order has nothing to log: its engine has.
            (Fault::Full, _) => {
                engine_said.push_str(&world.engine.as_ref().expect("an engine").lines().join("\n"));
                tells_of_room(engine_said) || tells_of_room(&world.agent(self.place()).log()[log_since..])
            }
            // A wrong clock stays wrong until the verb has ended.
            (Fault::Ahead | Fault::Behind, _) => false,
        }
    }

    /// Ends it.
    pub fn heal(self, world: &mut World) {
        match self.fault {
            Fault::Kill if self.victim == Victim::Command => {}
            Fault::Kill => world.start(self.place()),
            Fault::Stop => signal(world.pid(self.place()), Signal::CONT),
            Fault::Cut | Fault::Silence => world.links[self.link()].set(Cable::Whole),
            Fault::Full => world.disk.as_ref().expect("a disk").empty(),
            Fault::Ahead | Fault::Behind => world.step(self.place(), "+0"),
        }
    }
}

fn tells_of_room(words: &str) -> bool {
    ["full", "No space", "no space", "room"].iter().any(|word| words.contains(word))
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}
