//! Marks of the host this program runs on, to tell whether two programs share it: a controller must stand apart from the primary.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The machine's id (hashed: it identifies the host elsewhere too) and its addresses, loopback and link-local ones left out.
pub fn marks() -> Vec<String> {
    let machine = ["/etc/machine-id", "/var/lib/dbus/machine-id"].iter().find_map(|path| fs::read_to_string(path).ok());
    let machine = machine.map(|id| {
        let mark = blake3::derive_key("understudy 2026 machine mark", id.trim().as_bytes());
        format!("machine:{}", &blake3::Hash::from_bytes(mark).to_hex()[..16])
    });
    let v4 = fs::read_to_string("/proc/net/fib_trie").map(|text| local_v4(&text)).unwrap_or_default();
    let v6 = fs::read_to_string("/proc/net/if_inet6").map(|text| local_v6(&text)).unwrap_or_default();
    let mut marks: Vec<_> = machine.into_iter().chain(v4).chain(v6).collect();
    marks.sort();
    marks.dedup();
    marks
}

/// What a console's certificate calls it: the program and this host's name, so that people tell two consoles apart.
pub fn label() -> String {
    let system = rustix::system::uname();
    format!("understudy@{}", system.nodename().to_string_lossy())
}

/// Whether two programs run on one host, by their marks.
pub fn is_shared(ours: &[String], theirs: &[String]) -> bool {
    ours.iter().any(|mark| theirs.contains(mark))
}

/// In the kernel's trie an address line is followed by what it is; `host LOCAL` marks our own.
fn local_v4(trie: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line.ends_with("host LOCAL")
            && let Some(address) = last
            && !address.is_loopback()
            && !address.is_link_local()
        {
            found.push(address.to_string());
        }
    }
    found
}

/// One address a line, as 32 hex digits first.
fn local_v6(table: &str) -> Vec<String> {
    let addresses = table.lines().filter_map(|line| u128::from_str_radix(line.split_whitespace().next()?, 16).ok()).map(Ipv6Addr::from);
    addresses.filter(|a| !a.is_loopback() && !a.is_unicast_link_local()).map(|a| a.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_found_in_the_kernels_tables() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.2.3\n        /32 host LOCAL\n     |-- 10.1.2.255\n        /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(local_v4(trie), ["10.1.2.3"]);
        let table = "00000000000000000000000000000001 01 80 10 80 lo\nfe800000000000000000000000000001 02 40 20 80 eth0\n20010db8000000000000000000000007 02 40 00 80 eth0\n";
        assert_eq!(local_v6(table), ["2001:db8::7"]);
    }

    #[test]
    fn one_common_mark_is_a_shared_host() {
        let marks = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(is_shared(&marks(&["a", "b"]), &marks(&["b"])));
        assert!(!is_shared(&marks(&["a"]), &marks(&[])));
    }
}
