//! HAProxy's runtime API: one connection a line of commands, no status codes, prose for errors.
//!
//! Source of every text: doc/management.txt 9.3 and HAProxy 2.6.12 itself. What a write did is
//! only ever known by reading afterwards: `OK` is an empty line, and is also what a command
//! without effect answers.
mod table;
mod text;

use std::cell::RefCell;
use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::farm::BalancerNode;
use crate::names::{MemberName, PoolName};
use crate::net::{Deadlines, dial_within};
use crate::ports::{Address, Dial};
use crate::procedure::action::MemberChange;
use crate::procedure::readings::{MemberId, NodeReading};

use super::{BalancerError, PoolMembers};
use text::{Facts, Roster, Shape};

/// Everything about a node in one exchange, so that the parts belong together; of `show stat` the
/// rows of servers alone (type 4, see HAProxy's management guide, "show stat").
const OBSERVE: &str = "show info;show servers state;show stat -1 4 -1";

/// Largest answer taken: a member takes half a kilobyte of `show stat`, so this holds ten thousand.
const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Room for the answer of a node with some dozens of members.
const ANSWER_BYTES_USUAL: usize = 32 * 1024;

/// One HAProxy process.
#[derive(Debug)]
pub struct Haproxy<D: Dial> {
    dial: D,
    address: Result<Address, String>,
    deadlines: Deadlines,
    roster: Roster,
    names: BTreeMap<MemberId, (PoolName, MemberName)>,
    shape: RefCell<Shape>,
}

impl<D: Dial> Haproxy<D> {
    /// The node, with the farm's members on it.
    pub fn new(dial: D, node: &BalancerNode, pools: Vec<PoolMembers>) -> Self {
        let (mut on_node, mut names) = (Vec::new(), BTreeMap::new());
        for PoolMembers { pool, members } in pools {
            for (member, server) in members {
                let id = MemberId { pool: pool.clone(), server };
                names.insert(id.clone(), (pool.clone(), member.clone()));
                on_node.push((id, member));
            }
        }
        let (address, deadlines) = (node.api.parse(), Deadlines::default());
        let (roster, shape) = (Roster::new(on_node), RefCell::new(Shape::new()));
        Self { dial, address, deadlines, roster, names, shape }
    }

    /// Waits as long as this.
    #[must_use]
    pub fn waiting(self, deadlines: Deadlines) -> Self {
        Self { deadlines, ..self }
    }

    /// Reads the node whole.
    ///
    /// # Errors
    /// See [`BalancerError`]; nothing was changed.
    pub async fn observe(&self) -> Result<NodeReading, BalancerError> {
        Ok(self.facts().await?.reading)
    }

    /// Changes members with one line of commands and returns how the node stands afterwards, by an
    /// exchange of its own. The caller checks that the reading shows the change.
    ///
    /// # Errors
    /// See [`BalancerError`]. After [`BalancerError::Lost`] the changes may stand; after
    /// [`BalancerError::Refused`] those of the other members may.
    pub async fn change(
        &self,
        members: &[MemberId],
        change: MemberChange,
    ) -> Result<NodeReading, BalancerError> {
        let mut targets = Vec::with_capacity(members.len());
        for member in members {
            let (pool, name) = self.names.get(member).ok_or_else(|| {
                let MemberId { pool, server } = member;
                let words = format!("{server} has no member in pool {pool} on this node");
                BalancerError::Refused(words)
            })?;
            targets.push((member, format!("{pool}/{name}")));
        }
        let commands = match change {
            MemberChange::Weight(weight) => {
                each(&targets, |target| format!("set server {target} weight {weight}"))
            }
            MemberChange::Cut => {
                each(&targets, |target| format!("shutdown sessions server {target}"))
            }
            MemberChange::Drain => self.states(&targets, "drain").await?,
            MemberChange::Admit => self.states(&targets, "ready").await?,
            MemberChange::Maintain => self.states(&targets, "maint").await?,
        };
        for line in lines(&commands) {
            self.command(&line).await?;
        }
        self.observe().await
    }

    /// The commands that set members' state, once a fresh reading says that they will hold.
    async fn states(
        &self,
        targets: &[(&MemberId, String)],
        state: &str,
    ) -> Result<Vec<String>, BalancerError> {
        let facts = self.facts().await?;
        let mut commands = Vec::with_capacity(targets.len());
        for (member, target) in targets {
            let command = format!("set server {target} state {state}");
            // A tracker answers OK and stays as it is: whoever drains it must drain the other.
            if let Some(followed) = facts.tracked.get(*member) {
                return Err(BalancerError::Refused(format!(
                    "{target} tracks {followed}, so `{command}` would have no effect; nothing was \
                     sent: change {followed} instead"
                )));
            }
            // An agent that says `ready` cancels a drain within its interval, and the other way
            // round.
            if facts.agents.contains(*member) {
                commands.push(format!("disable agent {target}"));
            }
            commands.push(command);
        }
        Ok(commands)
    }

    async fn facts(&self) -> Result<Facts, BalancerError> {
        let answer = self.exchange(OBSERVE).await?;
        // `show stat`, the last, ends with an empty line: a torn table would lack members.
        if !answer.ends_with("\n\n") {
            return Err(BalancerError::Lost(
                "the connection closed before the answer's end".into(),
            ));
        }
        text::read(&answer, &self.roster, &mut self.shape.borrow_mut())
    }

    /// Sends commands that answer nothing when they are carried out.
    async fn command(&self, command: &str) -> Result<(), BalancerError> {
        let answer = self.exchange(command).await?;
        match answer.trim() {
            // An empty line each is OK; fewer is a torn answer, and no answer at all is no OK.
            "" if answer.len() > command.matches(';').count() => Ok(()),
            "" => Err(BalancerError::Lost(format!("`{command}` was not acknowledged"))),
            words => Err(BalancerError::Refused(format!("`{command}`: {words}"))),
        }
    }

    /// One connection: a line out, everything until the end back.
    async fn exchange(&self, line: &str) -> Result<String, BalancerError> {
        let to = self.address.as_ref().map_err(|why| BalancerError::Unreachable(why.clone()))?;
        let stream = dial_within(&self.dial, to, self.deadlines).await;
        let mut stream = stream.map_err(BalancerError::Unreachable)?;
        let lost = |why: &dyn std::fmt::Display| BalancerError::Lost(format!("{to}: {why}"));
        let talk = async {
            stream.write_all(format!("{line}\n").as_bytes()).await?;
            stream.flush().await?;
            let mut answer = Vec::with_capacity(ANSWER_BYTES_USUAL);
            (&mut stream).take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = match tokio::time::timeout(self.deadlines.exchange, talk).await {
            Ok(answer) => answer.map_err(|error| lost(&error))?,
            Err(_) => {
                let within = self.deadlines.exchange.as_secs_f32();
                return Err(lost(&format_args!("no answer within {within} s")));
            }
        };
        if answer.len() as u64 == ANSWER_BYTES_MAX {
            let words = format!("{to}: more than {ANSWER_BYTES_MAX} bytes");
            return Err(BalancerError::Garbled(words));
        }
        Ok(String::from_utf8(answer)
            .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned()))
    }
}

fn each(targets: &[(&MemberId, String)], command: impl Fn(&str) -> String) -> Vec<String> {
    targets.iter().map(|(_, target)| command(target)).collect()
}

/// Commands joined into lines that HAProxy's buffer (`tune.bufsize`, 16 KiB) takes.
fn lines(commands: &[String]) -> Vec<String> {
    const LINE_BYTES_MAX: usize = 8 * 1024;
    let mut lines: Vec<String> = Vec::new();
    for command in commands {
        match lines.last_mut() {
            Some(line) if line.len() + command.len() < LINE_BYTES_MAX => {
                line.push(';');
                line.push_str(command);
            }
            _ => lines.push(command.clone()),
        }
    }
    lines
}
