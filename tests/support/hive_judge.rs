//! Apache's own Hive client, in a process of its own beside each cluster (`tests/hadoop/HiveJudge.java`): makes what the tests need
//! and tells what a metastore has, so that nothing is checked by the code under test.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::contract::Side;

struct Process {
    _child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

static PROCESSES: [Mutex<Option<Process>>; 2] = [Mutex::new(None), Mutex::new(None)];

impl Process {
    fn start(cluster: &str) -> Process {
        let run = std::env::var("HADOOP_LAB_RUN").expect("HADOOP_LAB_RUN, as cluster.py env tells it");
        let mut words = run.split_whitespace();
        let mut child = Command::new(words.next().expect("a program"))
            .args(words)
            .args([cluster, "hive-judge"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the Hive client starts");
        let (to, from) = (child.stdin.take().expect("its input"), BufReader::new(child.stdout.take().expect("its output")));
        let mut process = Process { _child: child, to, from };
        assert_eq!(process.line(), "ok ready");
        process
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("an answer of the Hive client");
        line.trim_end_matches('\n').to_owned()
    }
}

/// One command; the server's exception is the error.
pub fn try_hive(side: Side, words: &[&str]) -> Result<String, String> {
    tokio::task::block_in_place(|| {
        let (slot, cluster) = match side {
            Side::Source => (&PROCESSES[0], "primary"),
            Side::Target => (&PROCESSES[1], "secondary"),
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let process = slot.get_or_insert_with(|| Process::start(cluster));
        writeln!(process.to, "{}", words.join("\t")).expect("the Hive client listens");
        let answer = process.line();
        match answer.strip_prefix("ok ") {
            Some(answer) => Ok(answer.to_owned()),
            None => Err(answer),
        }
    })
}

/// One command that must succeed.
pub fn hive(side: Side, words: &[&str]) -> String {
    try_hive(side, words).unwrap_or_else(|error| panic!("{words:?} at the {side:?}: {error}"))
}
