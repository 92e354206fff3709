//! What to read now: each question as often as policy says, and only while its answer matters.
use crate::farm::Half;
use crate::journal::FarmMilestone;

use super::decide::{console_for, console_has_rested, deployment_since_ms, tells};
use super::layout::{Layout, NodeIx, ServerIx};
use super::progress::{Direction, Progress};
use super::rotation::{Sides, Wanted, is_restored};
use super::view::{Question, View};

/// One exchange that only reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poll {
    /// A balancer node, whole.
    Node(NodeIx),
    /// A question to a server; `via` is the console asked, for flags and threads.
    Server {
        /// About whom.
        server: ServerIx,
        /// What.
        question: Question,
        /// At whose console.
        via: ServerIx,
    },
}

/// Polls due now, and the instant at which the next one is (`u64::MAX` when none is).
#[must_use]
pub fn due(layout: &Layout, progress: &Progress, view: &View) -> (Vec<Poll>, u64) {
    let mut polls = Polls { now_ms: view.now_ms, due: Vec::new(), next_ms: u64::MAX };
    if progress.ended.is_some() {
        return (polls.due, polls.next_ms);
    }
    nodes(layout, progress, view, &mut polls);
    let via = console_for(layout, progress, view);
    if let Some(via) = via {
        flags(layout, view, via, &mut polls);
    }
    let deploys = somebody_deploys(layout, progress);
    for server in 0..layout.servers.len() {
        questions(layout, progress, view, server, via, deploys, &mut polls);
    }
    (polls.due, polls.next_ms)
}

struct Polls {
    now_ms: u64,
    due: Vec<Poll>,
    next_ms: u64,
}

impl Polls {
    fn offer(&mut self, asked_ms: Option<u64>, asking: bool, every_ms: u64, poll: Poll) {
        if asking {
            return;
        }
        let at_ms = asked_ms.map_or(self.now_ms, |asked| asked + every_ms);
        if at_ms <= self.now_ms {
            self.due.push(poll);
        } else {
            self.next_ms = self.next_ms.min(at_ms);
        }
    }
}

fn nodes(layout: &Layout, progress: &Progress, view: &View, polls: &mut Polls) {
    let policy = layout.policy();
    let every_ms = if is_moving(layout, progress, view) {
        policy.balancer_poll_draining_ms
    } else {
        policy.balancer_poll_ms
    };
    for (ix, node) in view.nodes.iter().enumerate() {
        // An action reads the node back itself.
        polls.offer(node.asked_ms, node.asking || node.acting, every_ms, Poll::Node(ix));
    }
}

/// Something drains, is being admitted or goes back to where the baseline had it: a reading a
/// second is worth its price. Not while traffic stands and something else is waited for, be it a
/// person after a fall-back or the last loaded server before step 9.
fn is_moving(layout: &Layout, progress: &Progress, view: &View) -> bool {
    let reached = |milestone| progress.reached(milestone);
    let between = |begin, end| reached(begin) && !reached(end);
    if progress.baseline.is_none() {
        return true;
    }
    let sides = Sides::of(layout, progress);
    let (crossing, restoring) = match progress.direction {
        Direction::Forward => (
            between(FarmMilestone::SwitchBegan, FarmMilestone::Switched),
            reached(FarmMilestone::Soaked) && sides.serves(Half::Loaded),
        ),
        Direction::FallingBack => (!reached(FarmMilestone::FellBack), false),
        Direction::Aborting => (false, true),
    };
    crossing
        || layout.front_ends().any(|server| {
            let record = &progress.servers[server];
            let draining = !record.quiet
                && !record.touched
                && sides.wanted(layout, progress, server) == Wanted::Out;
            let comes_back =
                restoring && !record.restored && !is_restored(layout, progress, view, server);
            !record.left_out && (draining || comes_back)
        })
}

fn flags(layout: &Layout, view: &View, via: ServerIx, polls: &mut Polls) {
    // Asked of one console for all servers, so what counts is when any was asked last.
    let asked_ms =
        view.servers.iter().filter_map(|server| server.asked_ms[Question::Flags as usize]).max();
    let asking = view.servers.iter().any(|server| server.asking[Question::Flags as usize]);
    let poll = Poll::Server { server: via, question: Question::Flags, via };
    polls.offer(asked_ms, asking, layout.policy().flags_poll_ms, poll);
}

fn questions(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
    via: Option<ServerIx>,
    somebody_deploys: bool,
    polls: &mut Polls,
) {
    let every_ms = layout.policy().jobs_poll_ms;
    let mut ask = |question: Question, via: ServerIx| {
        let seen = &view.servers[server];
        let ix = question as usize;
        let poll = Poll::Server { server, question, via };
        polls.offer(seen.asked_ms[ix], seen.asking[ix], every_ms, poll);
    };
    let record = &progress.servers[server];
    if record.left_out {
        return;
    }
    let serves = layout.servers[server].front_end.is_some();
    if serves {
        ask(Question::Service, server);
    }
    let works = record.job.as_ref().is_some_and(|job| job.ended.is_none());
    if works {
        ask(Question::Job, server);
    }
    let before = progress.baseline.is_none();
    // While an installer runs, what it has put there so far is no version of anything.
    let unverified = record.touched && record.upgraded.is_none() && !works;
    if unverified || before {
        ask(Question::Version, server);
    }
    let deploying =
        record.deployed_ms.is_none() && deployment_since_ms(layout, progress, server).is_some();
    let came_back = (record.flag_came_back > 0 || record.tainted) && !record.touched;
    // It may be admitted early, and others' jobs deploy to it: whether they do is known by then.
    let stands_by = layout.servers[server].half == Some(Half::Updating)
        && !record.touched
        && record.rescued_ms.is_none()
        && progress.servers.iter().any(|one| one.touched || one.tainted);
    if let Some(via) = via
        && serves
        && (deploying || came_back || stands_by || before)
    {
        // Its own console where it tells and nobody proven has one that answers: its own build judges
        // it. Else each would need a login, which may be refused.
        let answers = view.servers[via].console_failing_since_ms.is_none();
        let is_good = progress.servers[via].proven.is_some() && answers;
        let own = record.upgraded.is_some() && !is_good && tells(layout, progress, server);
        let via = if own { own_or(view, server, via) } else { via };
        ask(Question::Threads, via);
    }
    let reference = record.proven.is_some() && somebody_deploys;
    if serves && !layout.servers[server].modules.is_empty() && (deploying || reference) {
        ask(Question::Pings, server);
    }
}

fn own_or(view: &View, server: ServerIx, other: ServerIx) -> ServerIx {
    if console_has_rested(view, server) { server } else { other }
}

fn somebody_deploys(layout: &Layout, progress: &Progress) -> bool {
    layout.front_ends().any(|server| {
        progress.servers[server].deployed_ms.is_none()
            && !progress.servers[server].left_out
            && deployment_since_ms(layout, progress, server).is_some()
    })
}
