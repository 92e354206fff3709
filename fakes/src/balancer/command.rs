//! The runtime API: one line in, the reply out.
use super::Balancer;

impl Balancer {
    /// The runtime API's whole reply to one line; commands may be joined by `;`.
    pub fn command(&mut self, now_ms: u64, line: &str) -> String {
        self.advance(now_ms);
        let mut out = String::with_capacity(16 * 1024);
        self.api_connections += 1;
        for command in line.split(';') {
            self.answer(now_ms, command, &mut out);
        }
        out
    }

    fn answer(&mut self, now_ms: u64, command: &str, out: &mut String) {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[..] {
            ["set", "server", target, "state", state, ..] => {
                let found = target.split_once('/').and_then(|(pool, name)| self.find(pool, name));
                let Some(index) = found else {
                    out.push_str("No such server.\n\n");
                    return;
                };
                self.change(index.0, now_ms, |member| match state {
                    "ready" => member.set_ready(now_ms),
                    "drain" => member.set_drain(now_ms),
                    _ => member.set_maint(now_ms),
                });
                self.members[index.0].reschedule(now_ms);
                out.push('\n');
            }
            _ => out.push_str("Unknown command.\n\n"),
        }
    }
}
