//! HBase's own Java client (`tests/hadoop/Rows.java`) as a process beside the tests: what it writes and reads is not checked by the
//! code under test.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// One client of one cluster. Clones are the same client.
#[derive(Clone)]
pub struct Rows(Arc<Mutex<Process>>);

struct Process {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends by itself with its input; a test that ends does not wait for it.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Rows {
    /// Starts one for a cluster (`primary`, `secondary`), with the command that `cluster.py env` tells.
    pub fn start(cluster: &str) -> Rows {
        Rows::of_tool(cluster, "rows")
    }

    /// HDFS's own client, which listens and answers in the same way (`tests/hadoop/HdfsJudge.java`).
    pub fn of_hdfs(cluster: &str) -> Rows {
        Rows::of_tool(cluster, "hdfs-judge")
    }

    fn of_tool(cluster: &str, tool: &str) -> Rows {
        let run = std::env::var("HADOOP_LAB_RUN").expect("HADOOP_LAB_RUN, as cluster.py env tells it");
        let mut words = run.split_whitespace();
        let mut command = Command::new(words.next().expect("a command"));
        command.args(words).args([cluster, tool]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the client starts");
        let answers = BufReader::new(child.stdout.take().expect("its output"));
        Rows(Arc::new(Mutex::new(Process { child, answers })))
    }

    /// One command; its answer's fields, or the exception.
    pub async fn ask(&self, fields: &[&str]) -> Result<Vec<String>, String> {
        let line: Vec<String> = fields.iter().map(|field| utf8_percent_encode(field, NON_ALPHANUMERIC).to_string()).collect();
        let process = Arc::clone(&self.0);
        let answered = tokio::task::spawn_blocking(move || {
            // A test that failed while it held the client leaves the client as it was.
            let mut process = process.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            writeln!(process.child.stdin.as_mut().expect("its input"), "{}", line.join("\t")).expect("written");
            let mut answer = String::new();
            process.answers.read_line(&mut answer).expect("an answer");
            answer
        });
        let answer = answered.await.expect("asked");
        let decode = |field: &str| percent_decode_str(&field.replace('+', " ")).decode_utf8_lossy().into_owned();
        let mut fields = answer.trim_end_matches('\n').split('\t').map(decode);
        match fields.next().as_deref() {
            Some("ok") => Ok(fields.collect()),
            _ => Err(fields.next().unwrap_or_else(|| "the client ended".into())),
        }
    }

    /// One that must succeed.
    pub async fn tell(&self, fields: &[&str]) -> Vec<String> {
        self.ask(fields).await.unwrap_or_else(|error| panic!("{fields:?}: {error}"))
    }
}
