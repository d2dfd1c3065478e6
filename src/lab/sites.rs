//! The lab's power switch: starts, kills, stops and starves the sites' processes.
//!
//! Ports are chosen once and kept, so that a site that comes back is found where it was. The agents know each other, and the
//! console knows them, only by the addresses of relays (see [`super::relays`]).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::desk::DataPlace;
use super::keeper::Keeper;
use super::site::{Ask, Tell};
use super::view::SiteView;
use crate::domain::{ClusterName, Trouble, TroubleKind};

/// How long a site may take to serve after its start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The addresses of one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SitePorts {
    /// The agent's HTTPS.
    pub agent: SocketAddr,
    /// The agent's plain-HTTP route.
    pub route: SocketAddr,
    /// The order desk.
    pub desk: SocketAddr,
}

impl SitePorts {
    /// Three free ports of loopback, below those that the kernel gives to outgoing connections: one of these could be taken by
    /// anybody's connection before the site listens there.
    pub fn choose() -> Result<SitePorts, Trouble> {
        const LOWEST: u16 = 12_000;
        const COUNT: u16 = 20_000;
        // Labs side by side begin at different places.
        let start = uuid::Uuid::now_v7().as_u128() % u128::from(COUNT);
        let start = u16::try_from(start).unwrap_or_default();
        let mut free = (0..COUNT).filter_map(|step| {
            let port = LOWEST + (start + step) % COUNT;
            std::net::TcpListener::bind(("127.0.0.1", port)).ok()?.local_addr().ok()
        });
        let mut next = || free.next().ok_or_else(|| Trouble::new(TroubleKind::Failed, "lab", "no free port on loopback"));
        Ok(SitePorts { agent: next()?, route: next()?, desk: next()? })
    }
}

/// One site: its folder, its addresses, and its process while it has power.
#[derive(Debug)]
pub struct Site {
    /// Its name.
    pub name: ClusterName,
    /// Its folder.
    pub dir: PathBuf,
    /// Its addresses.
    pub ports: SitePorts,
    program: PathBuf,
    keeper: Keeper,
    process: Option<Process>,
    frozen: bool,
    disk_full: bool,
    clock_step_secs: i64,
}

#[derive(Debug)]
struct Process {
    child: Child,
    pid: Pid,
    asks: ChildStdin,
    tells: Lines<BufReader<ChildStdout>>,
}

impl Site {
    /// A site that has no power yet. `program` is this binary; `advertise` is where the other agent reaches this one.
    pub fn new(name: ClusterName, dir: PathBuf, ports: SitePorts, program: PathBuf, advertise: SocketAddr) -> Result<Site, Trouble> {
        let config = agent_toml(&name, &dir, &ports, advertise);
        let keeper = std::fs::create_dir_all(&dir)
            .and_then(|()| std::fs::write(dir.join("agent.toml"), config))
            .and_then(|()| Keeper::new())
            .map_err(|e| Trouble::new(TroubleKind::Failed, dir.display(), e))?;
        Ok(Site { name, dir, ports, program, keeper, process: None, frozen: false, disk_full: false, clock_step_secs: 0 })
    }

    /// The application's data here.
    pub fn place(&self) -> DataPlace {
        DataPlace::of_site(&self.dir)
    }

    /// Whether its process runs (or is frozen).
    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Whether its process is stopped.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// What the screen shows of it.
    pub fn view(&self) -> SiteView {
        SiteView {
            name: self.name.clone(),
            up: self.is_up(),
            frozen: self.frozen,
            disk_full: self.disk_full,
            clock_step_secs: self.clock_step_secs,
        }
    }

    /// Its process id, while it has power.
    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(|process| process.pid.as_raw_pid())
    }

    /// Switches it on and waits until it serves. Well when it is on.
    pub async fn power_on(&mut self) -> Result<(), Trouble> {
        if self.is_up() {
            return Ok(());
        }
        self.process = Some(self.spawn().await?);
        (self.frozen, self.disk_full, self.clock_step_secs) = (false, false, 0);
        let told = self.hear(START_LIMIT).await;
        match told {
            Ok(Tell::Serving) => Ok(()),
            Ok(Tell::Trouble(trouble)) => {
                self.power_off().await?;
                Err(trouble)
            }
            Ok(other) => {
                self.power_off().await?;
                Err(self.unexpected(&other))
            }
            Err(trouble) => {
                self.power_off().await?;
                Err(trouble)
            }
        }
    }

    async fn spawn(&self) -> Result<Process, Trouble> {
        let failed = |e: &dyn std::fmt::Display| self.trouble(format!("its process cannot be started: {e}"));
        let log = std::fs::File::options().create(true).append(true).open(self.dir.join("site.log")).map_err(|e| failed(&e))?;
        let mut command = Command::new(&self.program);
        command
            .arg("lab-site")
            .arg("--dir")
            .arg(&self.dir)
            .args(["--desk", &self.ports.desk.to_string()])
            .args(["--parent", &std::process::id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = self.keeper.spawn(command).await.map_err(|e| failed(&e))?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        match (pid, child.stdin.take(), child.stdout.take()) {
            (Some(pid), Some(asks), Some(tells)) => Ok(Process { child, pid, asks, tells: BufReader::new(tells).lines() }),
            _ => Err(failed(&"it ended at once")),
        }
    }

    /// Kills its process, as a power cut would. Well when it is off.
    pub async fn power_off(&mut self) -> Result<(), Trouble> {
        if let Some(mut process) = self.process.take() {
            process.child.kill().await.map_err(|e| self.trouble(format!("its process cannot be killed: {e}")))?;
            (self.frozen, self.disk_full) = (false, false);
        }
        Ok(())
    }

    /// Stops its process without killing it, or lets it go on.
    pub fn freeze(&mut self, frozen: bool) -> Result<(), Trouble> {
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        rustix::process::kill_process(self.running()?.pid, signal).map_err(|e| self.trouble(e.to_string()))?;
        self.frozen = frozen;
        Ok(())
    }

    /// Makes every further write to a file fail (the soft limit of a file's size is 0 then), or lifts that again.
    pub fn fill_disk(&mut self, full: bool) -> Result<(), Trouble> {
        let pid = self.running()?.pid;
        let limit = |new| rustix::process::prlimit(Some(pid), Resource::Fsize, new).map_err(|e| self.trouble(e.to_string()));
        let mut limits = read_fsize_limit(pid).map_err(|e| self.trouble(e.to_string()))?;
        limits.current = if full { Some(0) } else { limits.maximum };
        limit(limits)?;
        self.disk_full = full;
        Ok(())
    }

    /// Sets its clock off by so many seconds; 0 sets it right.
    pub async fn set_clock_off(&mut self, secs: i64) -> Result<(), Trouble> {
        match self.ask(&Ask::SetClockOff(secs)).await? {
            Tell::Stepped => {
                self.clock_step_secs = secs;
                Ok(())
            }
            other => Err(self.unexpected(&other)),
        }
    }

    /// A fresh enrolment code of its agent.
    pub async fn enrolment_code(&mut self) -> Result<String, Trouble> {
        match self.ask(&Ask::EnrolmentCode).await? {
            Tell::EnrolmentCode(code) => Ok(code),
            other => Err(self.unexpected(&other)),
        }
    }

    async fn ask(&mut self, ask: &Ask) -> Result<Tell, Trouble> {
        let line = serde_json::to_string(ask).map_err(|e| self.trouble(e.to_string()))? + "\n";
        let name = self.name.clone();
        let process = self.running()?;
        let written = tokio::time::timeout(ANSWER_LIMIT, process.asks.write_all(line.as_bytes())).await;
        if !matches!(written, Ok(Ok(()))) {
            return Err(Trouble::new(TroubleKind::Unreachable, format!("lab site {name}"), "its process does not listen"));
        }
        match self.hear(ANSWER_LIMIT).await? {
            Tell::Trouble(trouble) => Err(trouble),
            told => Ok(told),
        }
    }

    async fn hear(&mut self, limit: Duration) -> Result<Tell, Trouble> {
        let object = format!("lab site {}", self.name);
        let log = self.dir.join("site.log");
        let silent = |why: &str| Trouble::new(TroubleKind::Unreachable, &object, why).next(format!("its log is {}", log.display()));
        let line = match tokio::time::timeout(limit, self.running()?.tells.next_line()).await {
            Ok(Ok(Some(line))) => line,
            Ok(_) => return Err(silent("its process has ended")),
            Err(_) => return Err(silent(&format!("its process said nothing for {} s", limit.as_secs()))),
        };
        serde_json::from_str(&line).map_err(|e| self.trouble(format!("its process said what is no answer: {e}")))
    }

    fn running(&mut self) -> Result<&mut Process, Trouble> {
        let off = Trouble::new(TroubleKind::Refused, format!("lab site {}", self.name), "it has no power");
        self.process.as_mut().ok_or(off)
    }

    fn trouble(&self, reason: String) -> Trouble {
        Trouble::new(TroubleKind::Failed, format!("lab site {}", self.name), reason)
    }

    /// Without its words: there may be a code in them.
    fn unexpected(&self, told: &Tell) -> Trouble {
        let what = match told {
            Tell::Serving => "that it serves",
            Tell::EnrolmentCode(_) => "an enrolment code",
            Tell::Stepped => "that its clock is stepped",
            Tell::Trouble(trouble) => return trouble.clone(),
        };
        self.trouble(format!("its process told {what}, which was not asked"))
    }
}

/// The present limits, from the kernel's table of the process: reading by `prlimit` would need a new limit to set.
fn read_fsize_limit(pid: Pid) -> std::io::Result<Rlimit> {
    let table = std::fs::read_to_string(format!("/proc/{}/limits", pid.as_raw_pid()))?;
    let line = table.lines().find_map(|line| line.strip_prefix("Max file size")).unwrap_or_default();
    let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>().ok());
    Ok(Rlimit { current: numbers.next().flatten(), maximum: numbers.next().flatten() })
}

/// A superuser's training trees belong to root, which a secondary lets in only when it is told to.
fn allowed_here() -> &'static str {
    if rustix::process::geteuid().is_root() { "allow = [\"root-owner\"]\n" } else { "" }
}

/// The agent's configuration, as a person would write it.
fn agent_toml(name: &ClusterName, dir: &Path, ports: &SitePorts, advertise: SocketAddr) -> String {
    let place = DataPlace::of_site(dir);
    let quoted = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    format!(
        "name = \"{name}\"\nsite = \"training site {name}\"\nlisten = \"{}\"\nadvertise = \"{advertise}\"\nroute = \"{}\"\nstate = {}\n\n\
         [[component]]\nkind = \"files\"\nroot = {}\n{}\n[[component]]\nkind = \"tables\"\ndatabase = {}\n",
        ports.agent,
        ports.route,
        quoted(&dir.join("agent-state")),
        quoted(&place.files),
        allowed_here(),
        quoted(&place.database),
    )
}
