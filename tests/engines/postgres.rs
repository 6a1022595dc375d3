//! A PostgreSQL server of the tests' own.
//!
//! One server is shared by all test processes of this user and checkout: the first starts it, each holds a shared lock
//! on a file as long as it lives, and a watcher stops the server by its data folder once nobody has held that lock for
//! some seconds. So it goes away however the tests end, and a runner that gives each test a process of its own does not
//! start it a hundred times. `HAGAKI_TEST_POSTGRES=postgres://…` uses another server instead.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A server that runs.
pub(crate) struct Server {
    /// `postgres://user@host:port`, without a database.
    pub(crate) base: String,
    /// Whether it is ours, with the role `locked` that needs the password `right`.
    pub(crate) own: bool,
    _in_use: Option<File>,
}

/// Whether a commit waits for the disk. Tests kill our processes, never the machine, so all that was written is there again without;
/// what a measurement tells would be wrong. Nor does a database of a few rows, of which there are hundreds, need to be swept.
const DURABLE: bool = !cfg!(test);

/// Size of a file system in memory that holds the databases of tests that run at once, and the server's log of changes, in MiB.
const MEMORY_MB: u64 = 4096;

const START: &str = r#"
set -eu
as_postgres() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
cd "$DIR"
rm -rf data
mkdir -m 700 data
if [ "$(id -u)" = 0 ]; then chown postgres:postgres data; fi
as_postgres "$BIN/initdb" -D "$DIR/data" -A trust -U app -E UTF8 --locale=C.UTF-8 >/dev/null
printf 'host all locked 127.0.0.1/32 scram-sha-256\n%s\n' "$(cat data/pg_hba.conf)" > data/pg_hba.conf
cat >> data/postgresql.conf <<CONF
listen_addresses = '127.0.0.1'
port = $PORT
unix_socket_directories = '$DIR/data'
max_connections = 300
fsync = $FSYNC
full_page_writes = $FSYNC
$([ "$FSYNC" = on ] || echo 'max_wal_size = 512MB')
synchronous_commit = $FSYNC
autovacuum = $FSYNC
logging_collector = off
CONF
as_postgres "$BIN/pg_ctl" -D "$DIR/data" -l "$DIR/data/server.log" -w start >/dev/null
as_postgres "$BIN/psql" -q -h 127.0.0.1 -p "$PORT" -U app -d postgres -c "CREATE ROLE locked LOGIN PASSWORD 'right'"
"#;

const WATCH: &str = r#"
as_postgres() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
cd "$DIR" || exit 0
idle=0
while sleep 1; do
    exec 9>start.lock
    flock -x 9
    if flock -n -x users.lock true; then idle=$((idle + 1)); else idle=0; fi
    if [ "$idle" -ge 5 ]; then
        as_postgres "$BIN/pg_ctl" -D "$DIR/data" -m fast -w stop
        rm -rf data port
        exit 0
    fi
    exec 9>&-
done
"#;

/// The server, or why there is none.
pub(crate) fn server() -> &'static Result<Server, String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("HAGAKI_TEST_POSTGRES") {
        Ok(url) => Ok(Server { base: url.trim_end_matches('/').to_owned(), own: false, _in_use: None }),
        Err(_) => start(),
    })
}

fn start() -> Result<Server, String> {
    let bin = find_binaries().ok_or("PostgreSQL is not installed (apt install postgresql)")?;
    let dir = folder();
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let open = |name: &str| File::options().create(true).truncate(false).write(true).open(dir.join(name));
    let starting = open("start.lock").map_err(|error| error.to_string())?;
    starting.lock().map_err(|error| error.to_string())?;
    let port = match running_port(&dir) {
        Some(port) => port,
        None => start_new(&bin, &dir)?,
    };
    let in_use = open("users.lock").map_err(|error| error.to_string())?;
    in_use.lock_shared().map_err(|error| error.to_string())?;
    Ok(Server { base: format!("postgres://app@127.0.0.1:{port}"), own: true, _in_use: Some(in_use) })
}

fn start_new(bin: &Path, dir: &Path) -> Result<u16, String> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let port = free.map_err(|error| error.to_string())?.port();
    let shell = |script: &str| {
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", script]).env("DIR", dir).env("BIN", bin).env("PORT", port.to_string());
        command.env("FSYNC", if DURABLE { "on" } else { "off" });
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    let done = shell(START).arg("start").stderr(Stdio::piped()).spawn().and_then(|child| child.wait_with_output());
    let done = done.map_err(|error| format!("setsid: {error}"))?;
    if !done.status.success() {
        return Err(format!("PostgreSQL does not start: {}", String::from_utf8_lossy(&done.stderr)));
    }
    fs::write(dir.join("port"), port.to_string()).map_err(|error| error.to_string())?;
    shell(WATCH).arg("watch").stderr(Stdio::null()).spawn().map_err(|error| error.to_string())?;
    Ok(port)
}

fn running_port(dir: &Path) -> Option<u16> {
    let port: u16 = fs::read_to_string(dir.join("port")).ok()?.trim().parse().ok()?;
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok().map(|_| port)
}

fn find_binaries() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop()
}

/// One folder for each user and checkout; short, because socket paths must be.
fn folder() -> PathBuf {
    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::os::unix::fs::MetadataExt;
    let mut hasher = DefaultHasher::new();
    env!("CARGO_MANIFEST_DIR").hash(&mut hasher);
    DURABLE.hash(&mut hasher);
    let user = fs::metadata("/proc/self").map(|own| own.uid()).unwrap_or_default();
    let place = if DURABLE { None } else { memory() };
    place.unwrap_or_else(std::env::temp_dir).join(format!("hagaki-pg-{user}-{:08x}", hasher.finish() as u32))
}

/// Room in memory for databases that no power failure will ever meet: a database is hundreds of files, and to make one on a disk took most
/// of the time of a story. None where there is little of it, as in many containers.
fn memory() -> Option<PathBuf> {
    let place = PathBuf::from("/dev/shm");
    let told = Command::new("df").args(["--output=size", "-B1M"]).arg(&place).output().ok()?;
    let size: u64 = String::from_utf8_lossy(&told.stdout).lines().nth(1)?.trim().parse().ok()?;
    (place.is_dir() && size >= MEMORY_MB).then_some(place)
}
