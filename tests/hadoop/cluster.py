#!/usr/bin/env python3
"""Two real HDFS clusters on this machine, for the tests: a NameNode and a DataNode each, on 127.0.0.1; HBase and a Hive
metastore on request.

    cluster.py up [--with hbase,hive]               start both; fetches the jars the first time (JDK 17, Maven 3)
    cluster.py fetch                                fetches the jars of all of them, where they are not there yet
    cluster.py status                               what runs
    eval "$(cluster.py env)"                        HADOOP_LAB_PRIMARY_WEBHDFS and so on, which the tests look for
    cluster.py fault primary namenode kill|hang|resume|start|safemode-enter|safemode-leave
    cluster.py fault primary hbase|hive kill|hang|resume|start
    cluster.py set secondary KEY=VALUE ...          restarts its NameNode with these settings beside its own; without any: as it was
    cluster.py run secondary dfs -ls -R /           a Hadoop tool: dfs, dfsadmin, fsck, snapshotDiff; rows (Rows.java), hive-judge (HiveJudge.java), hdfs-judge (HdfsJudge.java)
    cluster.py down [--purge]                       stop both; --purge also removes their data

State is in --state, else $HADOOP_LAB_STATE, else `understudy-hdfs` in the user's cache directory, where the jars always are.
--port-shift N lets two of these run side by side. Whoever runs it is the HDFS superuser.
"""

import argparse
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
CLUSTERS = {"primary": 0, "secondary": 10000}
PORTS = {"rpc": 9820, "web": 9870, "data": 9866, "data_web": 9864, "data_ipc": 9867,
         "master": 16000, "master_web": 16010, "region": 16020, "region_web": 16030, "zookeeper": 2181, "metastore": 9083}
DAEMONS = {
    "namenode": "org.apache.hadoop.hdfs.server.namenode.NameNode",
    "datanode": "org.apache.hadoop.hdfs.server.datanode.DataNode",
    "hbase": "org.apache.hadoop.hbase.master.HMaster",  # with region server and ZooKeeper in the same process
    "hive": "org.apache.hadoop.hive.metastore.HiveMetaStore",
}
HDFS = ("namenode", "datanode")
COMPONENTS = ("hbase", "hive")  # on request, each a daemon of that name
TOOLS = {
    "dfs": "org.apache.hadoop.fs.FsShell",
    "dfsadmin": "org.apache.hadoop.hdfs.tools.DFSAdmin",
    "fsck": "org.apache.hadoop.hdfs.tools.DFSck",
    "snapshotDiff": "org.apache.hadoop.hdfs.tools.snapshot.SnapshotDiff",
}
OPENED = ("java.io", "java.lang", "java.lang.reflect", "java.net", "java.nio", "java.util", "java.util.concurrent",
          "java.util.concurrent.atomic", "sun.nio.ch", "jdk.internal.ref")
# Small on purpose: both clusters take about 800 MiB.
JVM = ["-XX:+UseSerialGC", "-XX:ReservedCodeCacheSize=64m", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true",
       *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED)]
START_LIMIT, STOP_LIMIT = 300, 15  # seconds; a busy machine takes minutes for HBase


def fail(message):
    sys.exit(f"cluster.py: {message}")


def cache():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "understudy-hdfs"


def java():
    home = os.environ.get("JAVA_HOME")
    found = f"{home}/bin/java" if home else shutil.which("java")
    return found or fail("no java: install JDK 17 or set JAVA_HOME")


def jars(library="hdfs"):
    """The jars, fetched once: into a passing directory, then renamed, so that a broken fetch leaves nothing."""
    target, pom = (cache() / "jars", "pom.xml") if library == "hdfs" else (cache() / f"jars-{library}", f"pom-{library}.xml")
    if target.is_dir():
        return target
    if not shutil.which("mvn"):
        fail("no mvn: install Maven 3 to fetch Hadoop from Maven Central")
    passing = cache() / f"{target.name}.{os.getpid()}"
    print(f"fetching the jars of {library} from Maven Central ...", file=sys.stderr)
    subprocess.run(["mvn", "-q", "-B", "-f", str(HERE / pom), "dependency:copy-dependencies",
                    f"-DoutputDirectory={passing}", "-DincludeScope=runtime"], check=True, stdout=sys.stderr)
    for archive in passing.glob("*.tar.gz"):
        unpack_metastore(archive)
    passing.rename(target)
    return target


def unpack_metastore(archive):
    """The jars and the newest Derby schema out of the metastore's release archive."""
    with tarfile.open(archive) as tar:
        files = {member.name: member for member in tar if member.isfile()}
        schemas = [name for name in files if "/derby/hive-schema-" in name]
        newest = max(schemas, key=lambda name: [int(n) for n in name.split("hive-schema-")[1].split(".")[:3]])
        wanted = {name: Path(name).name for name in files if name.endswith(".jar")} | {newest: "schema.sql"}
        for name, plain in wanted.items():
            with tar.extractfile(files[name]) as source, open(archive.parent / plain, "wb") as copy:
                shutil.copyfileobj(source, copy)
    archive.unlink()


def loopback_library(folder):
    """Builds the library that keeps a daemon on loopback which would listen on every interface (see loopback_bind.c)."""
    library, source = folder / "loopback_bind.so", HERE / "loopback_bind.c"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        compiler = shutil.which("cc") or fail("no cc: the metastore needs a C compiler, to keep it from listening on every interface")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return library


class Cluster:
    def __init__(self, name, state, shift):
        self.name, self.root, self.shift = name, state / name, shift
        self.ports = {service: port + CLUSTERS[name] + shift for service, port in PORTS.items()}
        self.conf, self.logs = self.root / "conf", self.root / "logs"

    def at(self, service):
        return f"{HOST}:{self.ports[service]}"

    def components(self):
        """Those it was last started with."""
        try:
            return (self.root / "components").read_text().split()
        except OSError:
            return []

    def daemons(self):
        return [*HDFS, *self.components()]

    def hbase_site(self):
        """As hard on us as it may be: what no snapshot refers to is gone from the archive within seconds."""
        return {
            "hbase.rootdir": f"hdfs://{self.at('rpc')}/hbase", "hbase.cluster.distributed": "false",
            "hbase.localcluster.assign.random.ports": "false", "hbase.unsafe.stream.capability.enforce": "true",
            "hbase.wal.provider": "filesystem", "hbase.tmp.dir": self.root / "hbase-tmp",
            "hbase.zookeeper.quorum": HOST, "hbase.zookeeper.property.clientPort": self.ports["zookeeper"],
            "hbase.zookeeper.property.clientPortAddress": HOST, "hbase.zookeeper.property.dataDir": self.root / "zookeeper",
            "hbase.master.hostname": "localhost", "hbase.master.ipc.address": HOST, "hbase.master.port": self.ports["master"],
            "hbase.master.info.bindAddress": HOST, "hbase.master.info.port": self.ports["master_web"],
            "hbase.regionserver.hostname": "localhost", "hbase.regionserver.ipc.address": HOST,
            "hbase.regionserver.port": self.ports["region"], "hbase.regionserver.info.bindAddress": HOST,
            "hbase.regionserver.info.port": self.ports["region_web"], "hbase.regionserver.handler.count": 10,
            "hbase.master.hfilecleaner.ttl": 1000, "hbase.master.cleaner.interval": 1000,
            # Tables may have quotas, which are not carried, and that is said.
            "hbase.quota.enabled": "true",
        }

    def metastore_site(self):
        return {
            "metastore.thrift.uris": f"thrift://{self.at('metastore')}", "metastore.thrift.port": self.ports["metastore"],
            "metastore.thrift.bind.host": HOST, "metastore.warehouse.dir": f"hdfs://{self.at('rpc')}/warehouse",
            "javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={self.root / 'metastore'};create=true",
            "javax.jdo.option.ConnectionDriverName": "org.apache.derby.jdbc.EmbeddedDriver",
            "metastore.transactional.event.listeners": "org.apache.hive.hcatalog.listener.DbNotificationListener",
            "metastore.metastore.event.db.notification.api.auth": "false",
            # Hive's query engine, which the defaults need, is not on the class path.
            "metastore.expression.proxy": "org.apache.hadoop.hive.metastore.DefaultPartitionExpressionProxy",
            "metastore.task.threads.always": "org.apache.hadoop.hive.metastore.events.EventCleanerTask",
        }

    def write_conf(self, more=None):
        user = getpass.getuser()
        core = {"fs.defaultFS": f"hdfs://{self.at('rpc')}", "hadoop.tmp.dir": self.root / "tmp", "hadoop.http.staticuser.user": user}
        hdfs = {
            "dfs.namenode.rpc-address": self.at("rpc"), "dfs.namenode.http-address": self.at("web"),
            "dfs.namenode.name.dir": (self.root / "name").as_uri(), "dfs.datanode.data.dir": (self.root / "blocks").as_uri(),
            "dfs.datanode.address": self.at("data"), "dfs.datanode.http.address": self.at("data_web"),
            "dfs.datanode.ipc.address": self.at("data_ipc"), "dfs.datanode.hostname": HOST,
            "dfs.namenode.datanode.registration.ip-hostname-check": "false",
            # HDFS sets a whole block aside for every file that is open, and a starting HMaster opens one for every region of a killed
            # one: with the usual 128 MiB a disk with some GB free is full.
            "dfs.blocksize": 8 << 20,
            "dfs.replication": 1, "dfs.permissions.enabled": "true", "dfs.namenode.acls.enabled": "true",
            "dfs.namenode.snapshot.capture.openfiles": "true",
            "dfs.namenode.safemode.extension": 0, "dfs.namenode.fs-limits.min-block-size": 4096,
            # A dead DataNode is told after about 15 s instead of 10 minutes.
            "dfs.heartbeat.interval": 1, "dfs.namenode.heartbeat.recheck-interval": 2000,
            "dfs.namenode.handler.count": 8, "dfs.datanode.handler.count": 4,
        } | (more or {})
        # The NameNode and DataNode want the directory of their web pages, which Maven Central does not have: empty will do.
        for directory in (self.logs, self.conf / "webapps" / "hdfs", self.conf / "webapps" / "datanode"):
            directory.mkdir(parents=True, exist_ok=True)
        for name, settings in (("core-site.xml", core), ("hdfs-site.xml", hdfs), ("hbase-site.xml", self.hbase_site()),
                               ("metastore-site.xml", self.metastore_site())):
            lines = (f"<property><name>{k}</name><value>{escape(str(v))}</value></property>" for k, v in settings.items())
            (self.conf / name).write_text("<configuration>\n" + "\n".join(lines) + "\n</configuration>\n")
        (self.conf / "log4j.properties").write_text(
            "log4j.rootLogger=WARN, A\nlog4j.appender.A=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.A.layout=org.apache.log4j.PatternLayout\nlog4j.appender.A.layout.ConversionPattern=%d %p %c: %m%n\n")

    def command(self, main, *args, library="hdfs", heap="160m"):
        # The metastore's archive has no Hadoop of its own.
        sets = [jars(), jars("hive")] if library == "hive" else [jars(library)]
        return [java(), f"-Xmx{heap}", *JVM, "-cp", os.pathsep.join([str(self.conf), *(f"{jars}/*" for jars in sets)]), main, *args]

    def daemon_command(self, daemon):
        if daemon == "hbase":
            return self.command(DAEMONS[daemon], "start", library="hbase", heap="384m")
        if daemon == "hive":
            return self.command(DAEMONS[daemon], library="hive", heap="192m")
        return self.command(DAEMONS[daemon])

    def environment(self):
        return {**os.environ, "HADOOP_CONF_DIR": str(self.conf)}

    # ---- daemons

    def pid(self, daemon):
        """Its process, if it is alive and really this daemon: a number may have been given to another process."""
        try:
            pid = int((self.root / f"{daemon}.pid").read_text())
            told = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return pid if DAEMONS[daemon].encode() in told and any(str(self.conf).encode() in word for word in told) else None
        except (OSError, ValueError):
            return None

    def named(self, daemon):
        """Its process, asked again a little later: one that was only just started has no command line for a moment."""
        time.sleep(0.5)
        return self.pid(daemon)

    def start(self, daemon):
        if self.pid(daemon):
            return
        if daemon == "namenode" and not (self.root / "name" / "current").exists():
            self.once("format", self.command(DAEMONS[daemon], "-format", "-nonInteractive"))
        environment = self.environment()
        if daemon == "hive":
            environment["LD_PRELOAD"] = str(loopback_library(self.root))
            if not (self.root / "metastore").exists():
                self.make_metastore()
        with open(self.logs / f"{daemon}.log", "ab") as log:
            process = subprocess.Popen(self.daemon_command(daemon), env=environment, cwd=self.root, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True)
        (self.root / f"{daemon}.pid").write_text(str(process.pid))

    def once(self, name, command):
        with open(self.logs / f"{name}.log", "wb") as log:
            subprocess.run(command, env=self.environment(), cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)

    def make_metastore(self):
        """The metastore's tables, made in a passing directory, so that a broken start leaves nothing."""
        passing, script = self.root / "metastore.new", self.root / "metastore.sql"
        shutil.rmtree(passing, ignore_errors=True)
        schema = (jars("hive") / "schema.sql").read_text()
        script.write_text(f"CONNECT 'jdbc:derby:{passing};create=true';\n{schema}\n")
        self.once("metastore-schema", self.command("org.apache.derby.tools.ij", str(script), library="hive"))
        passing.rename(self.root / "metastore")

    def stop(self, daemon, sig=signal.SIGTERM):
        pid = self.pid(daemon)
        if not pid:
            return
        os.kill(pid, sig)
        os.kill(pid, signal.SIGCONT)  # one that hangs could not hear the first
        deadline = time.monotonic() + STOP_LIMIT
        while self.pid(daemon) and time.monotonic() < deadline:
            time.sleep(0.1)
        if self.pid(daemon):
            os.kill(pid, signal.SIGKILL)

    def bean(self, service, query):
        """What a daemon's web page tells; nothing while it cannot be asked."""
        try:
            with urllib.request.urlopen(f"http://{self.at(service)}/jmx?{query}", timeout=3) as answer:
                return json.load(answer)["beans"][0]
        except (OSError, ValueError, LookupError):
            return {}

    def jmx(self, bean, attribute):
        return self.bean("web", f"get=Hadoop:service=NameNode,name={bean}::{attribute}").get(attribute)

    def ready(self, daemon):
        if not self.pid(daemon):
            return False
        if daemon == "hbase":
            bean = self.bean("master_web", "qry=Hadoop:service=HBase,name=Master,sub=Server")
            return bean.get("numRegionServers", 0) > 0 and bean.get("masterFinishedInitializationTime", 0) > 0
        if daemon == "hive":
            with socket.socket() as tried:
                tried.settimeout(1)
                return tried.connect_ex((HOST, self.ports["metastore"])) == 0
        if daemon == "namenode":
            return self.jmx("NameNodeStatus", "State") == "active"
        return (self.jmx("FSNamesystemState", "NumLiveDataNodes") or 0) > 0 and self.jmx("NameNodeInfo", "Safemode") == ""

    def wait(self, daemon):
        deadline = time.monotonic() + START_LIMIT
        while not self.ready(daemon):
            if not self.pid(daemon) and not self.named(daemon):
                fail(f"{self.name} {daemon} ended: see {self.logs / daemon}.log")
            if time.monotonic() > deadline:
                fail(f"{self.name} {daemon} is not ready after {START_LIMIT} s: see {self.logs / daemon}.log")
            time.sleep(0.2)
        print(f"{self.name}: {daemon} ready", file=sys.stderr)

    def addresses(self):
        known = {"FS": f"hdfs://{self.at('rpc')}", "WEBHDFS": f"http://{self.at('web')}/webhdfs/v1",
                 "DATANODE_HTTP": f"http://{self.at('data_web')}", "CONF": self.conf, "USER": getpass.getuser()}
        if "hbase" in self.components():
            known |= {"HBASE": self.at("master"), "HBASE_WEB": f"http://{self.at('master_web')}"}
        if "hive" in self.components():
            known["METASTORE"] = f"thrift://{self.at('metastore')}"
        return known


# ---- verbs

def up(clusters, components):
    for cluster in clusters:
        cluster.write_conf()
        (cluster.root / "components").write_text(" ".join(sorted({*components, *cluster.components()})))
    for daemons in (HDFS, clusters[0].components()):  # the second need a DataNode to write to
        for cluster in clusters:
            for daemon in daemons:
                cluster.start(daemon)
        for cluster in clusters:
            for daemon in daemons:
                cluster.wait(daemon)


def status(clusters):
    for cluster in clusters:
        for daemon in cluster.daemons():
            pid = cluster.pid(daemon)
            print(f"{cluster.name:10} {daemon:9} {'ready' if cluster.ready(daemon) else 'up, not ready' if pid else 'down':14} {pid or ''}")


def env(clusters):
    for cluster in clusters:
        for key, value in cluster.addresses().items():
            print(f"export HADOOP_LAB_{cluster.name.upper()}_{key}={value}")
    # The tests break daemons with the first, followed by CLUSTER DAEMON WHAT, run clients with the second: CLUSTER TOOL ..., and give a
    # NameNode other settings with the third: CLUSTER KEY=VALUE ...
    for verb in ("fault", "run", "set"):
        print(f"export HADOOP_LAB_{verb.upper()}='{Path(__file__).resolve()} --state {cluster.root.parent} --port-shift {cluster.shift} {verb}'")


def fault(cluster, daemon, what):
    signals = {"hang": signal.SIGSTOP, "resume": signal.SIGCONT}
    if what == "kill":
        cluster.stop(daemon, signal.SIGKILL)
    elif what == "start":
        cluster.start(daemon)
        cluster.wait(daemon)
    elif what in signals:
        os.kill(cluster.pid(daemon) or fail(f"{cluster.name} {daemon} is not running"), signals[what])
    else:
        verb = what.removeprefix("safemode-")
        subprocess.run(cluster.command(TOOLS["dfsadmin"], "-safemode", verb), env=cluster.environment(), check=True)


def set_settings(cluster, settings):
    """What the NameNode has in its edit log may be what it would not do under other settings: that goes into its image first."""
    for verb in (["-safemode", "enter"], ["-saveNamespace"]):
        subprocess.run(cluster.command(TOOLS["dfsadmin"], *verb), env=cluster.environment(), check=True, stdout=sys.stderr)
    cluster.stop("namenode")
    cluster.write_conf(dict(setting.split("=", 1) for setting in settings))
    cluster.start("namenode")
    for daemon in HDFS:
        cluster.wait(daemon)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=os.environ.get("HADOOP_LAB_STATE"))
    parser.add_argument("--port-shift", type=int, default=int(os.environ.get("HADOOP_LAB_PORT_SHIFT", 0)))
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up").add_argument("--with", dest="components", default=[], type=lambda text: [c for c in text.split(",") if c],
                                        metavar=",".join(COMPONENTS))
    for verb in ("fetch", "status", "env"):
        verbs.add_parser(verb)
    verbs.add_parser("down").add_argument("--purge", action="store_true")
    one = verbs.add_parser("fault")
    one.add_argument("cluster", choices=CLUSTERS)
    one.add_argument("daemon", choices=DAEMONS)
    one.add_argument("what", choices=["kill", "hang", "resume", "start", "safemode-enter", "safemode-leave"])
    other = verbs.add_parser("set")
    other.add_argument("cluster", choices=CLUSTERS)
    other.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    run = verbs.add_parser("run")
    run.add_argument("cluster", choices=CLUSTERS)
    run.add_argument("tool", choices=[*TOOLS, "rows", "hive-judge", "hdfs-judge"])
    run.add_argument("args", nargs=argparse.REMAINDER)
    asked = parser.parse_args()

    state = Path(asked.state or cache() / "clusters").resolve()
    clusters = {name: Cluster(name, state, asked.port_shift) for name in CLUSTERS}
    if asked.verb == "up":
        if not {*asked.components} <= {*COMPONENTS}:
            fail(f"--with takes {', '.join(COMPONENTS)}")
        up([*clusters.values()], asked.components)
    elif asked.verb == "fetch":
        for library in ("hdfs", *COMPONENTS):
            jars(library)
    elif asked.verb == "status":
        status(clusters.values())
    elif asked.verb == "env":
        env(clusters.values())
    elif asked.verb == "fault":
        fault(clusters[asked.cluster], asked.daemon, asked.what)
    elif asked.verb == "set":
        set_settings(clusters[asked.cluster], asked.settings)
    elif asked.verb == "run":
        cluster = clusters[asked.cluster]
        if asked.tool == "rows":
            command = cluster.command(str(HERE / "Rows.java"), *asked.args, library="hbase", heap="384m")
        elif asked.tool == "hive-judge":
            command = cluster.command(str(HERE / "HiveJudge.java"), *asked.args, library="hive", heap="256m")
        elif asked.tool == "hdfs-judge":
            command = cluster.command(str(HERE / "HdfsJudge.java"), *asked.args, heap="128m")
        else:
            command = cluster.command(TOOLS[asked.tool], *asked.args)
        os.execve(command[0], command, cluster.environment())
    else:
        for cluster in clusters.values():
            for daemon in reversed(cluster.daemons()):
                cluster.stop(daemon)
            if asked.purge:
                shutil.rmtree(cluster.root, ignore_errors=True)


if __name__ == "__main__":
    main()
