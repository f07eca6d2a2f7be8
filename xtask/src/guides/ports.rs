//! The ports that a page names. One that is taken on this machine is moved to a free one, so that the page still runs.

use std::net::TcpListener;

use anyhow::Result;

use crate::scratch::free_port;

const HOST: &str = "127.0.0.1:";
/// Where a server listens when nothing is said.
const USUAL: u16 = 7400;

/// Ports that had to be moved.
#[derive(Debug)]
pub struct Ports {
    moved: Vec<(u16, u16)>,
}

impl Ports {
    /// Looks at the usual port and at those that the text names.
    pub fn of(text: &str) -> Result<Self> {
        let mut moved = Vec::new();
        for port in named(text) {
            if TcpListener::bind(("127.0.0.1", port)).is_err() {
                moved.push((port, free_port()?));
            }
        }
        Ok(Self { moved })
    }

    /// The text with the ports that it gets.
    pub fn moved(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.moved {
            for before in [HOST, "--port "] {
                text = text.replace(&format!("{before}{from}"), &format!("{before}{to}"));
            }
        }
        text
    }

    /// What tells programs that the usual port is another; empty when it is not.
    pub fn environment(&self) -> Vec<(String, String)> {
        match self.moved.iter().find(|(from, _)| *from == USUAL) {
            Some((_, to)) => vec![
                ("ORCH_LISTEN".to_owned(), format!("{HOST}{to}")),
                ("ORCH_ADDRESS".to_owned(), format!("http://{HOST}{to}")),
            ],
            None => Vec::new(),
        }
    }
}

fn named(text: &str) -> Vec<u16> {
    let after = text.split(HOST).skip(1);
    let digits = after.map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
    let mut ports: Vec<u16> = digits.filter_map(|text| text.parse().ok()).chain([USUAL]).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}
