//! Who holds a port that we want: the process id and command, read from `/proc`.

use std::{fmt, fs, net::SocketAddr, path::Path};

/// What is known about the process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortHolder {
    /// This process.
    Process {
        /// Its id.
        pid: u32,
        /// Its command line, shortened.
        command: String,
    },
    /// The sockets of that process are not readable for us.
    AnotherUser,
}

impl fmt::Display for PortHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, command } => write!(f, "process {pid} ({command})"),
            Self::AnotherUser => f.write_str("another user's process"),
        }
    }
}

/// Who listens on the port of this address.
#[must_use]
pub fn holder_of(address: SocketAddr) -> PortHolder {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, address.port()))
        .collect();
    find_process(&inodes).unwrap_or(PortHolder::AnotherUser)
}

/// The inodes of sockets that listen on this port, from a table in the form of `/proc/net/tcp`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let inode = |line: &str| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?;
        (local.ends_with(&suffix) && state == "0A").then(|| inode.to_owned())
    };
    table.lines().skip(1).filter_map(inode).collect()
}

fn find_process(inodes: &[String]) -> Option<PortHolder> {
    let wanted: Vec<String> = inodes
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(files) = fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let holds = files.flatten().any(|file| {
            fs::read_link(file.path())
                .is_ok_and(|link| wanted.iter().any(|name| Path::new(name) == link))
        });
        if holds {
            return Some(PortHolder::Process {
                pid,
                command: command_of(&entry.path()),
            });
        }
    }
    None
}

fn command_of(process: &Path) -> String {
    let line = fs::read(process.join("cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let shown: String = line
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(120)
        .collect();
    if shown.is_empty() {
        "command not readable".to_owned()
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_our_own_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();

        let holder = holder_of(listener.local_addr().unwrap());

        assert!(
            matches!(holder, PortHolder::Process { pid, .. } if pid == std::process::id()),
            "{holder}"
        );
    }

    #[test]
    fn only_listening_sockets_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 4711 1\n\
            1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000  0  0 4712 1\n";

        assert_eq!(listening_inodes(table, 8080), ["4711"]);
        assert_eq!(listening_inodes(table, 8081), Vec::<String>::new());
    }
}
