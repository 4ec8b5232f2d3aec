//! What holds between any two steps, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Context;
use crate::effect::AgentSlot;
use crate::ids::Name;
use crate::limits::Limits;
use crate::state_machine::Core;
use crate::workspace::agents::Agent;
use crate::workspace::audiences::OpenIndex;
use crate::workspace::notification::OpenNotification;
use crate::workspace::{GroupSlot, OpenSlot, Workspace, WorkspaceSlot};

/// Fails if anything in `core` contradicts anything else, or the contract. `widest` holds the largest limits that
/// were ever in force: what was displayed or taken under them stays when they shrink.
pub(super) fn check_invariants(core: &Core, widest: &Limits) {
    core.check();
    check_deadlines(core);
    for (slot, workspace) in core.all_workspaces() {
        workspace.agents.check();
        workspace.audiences.check();
        check_counts(workspace, core.limits(), widest);
        check_members(core, slot, workspace);
        check_indexes(workspace);
        check_holders(workspace);
        check_desks(workspace, core.limits(), widest);
        check_autos(workspace, core.limits());
    }
}

/// The deadlines are exactly those of what is open, and none has passed.
fn check_deadlines(core: &Core) {
    let mut expected = BTreeSet::new();
    for (workspace_slot, workspace) in core.all_workspaces() {
        for (slot, open) in workspace.open.iter() {
            expected.insert((open.due, open.arrival, workspace_slot, slot));
            if !open.was_displayed {
                let content = &open.content;
                assert_eq!(open.due, content.notified_at.plus(content.rendered.queue_timeout));
            }
        }
    }
    assert_eq!(*core.deadlines(), expected);
    assert!(expected.first().is_none_or(|(at, ..)| *at > core.now()), "something is overdue");
    assert!(core.next_deadline().is_none_or(|at| at > core.now()), "a deadline that brings nothing");
}

fn check_counts(workspace: &Workspace, limits: &Limits, widest: &Limits) {
    assert!(workspace.arrivals.len() <= widest.open_notifications as usize);
    assert!(workspace.sessions.len() <= limits.sessions as usize);
    assert!(workspace.sessions.marks_len() <= limits.kpi_marks as usize);
    assert!(workspace.sessions.ended_len() <= limits.retained_outcomes as usize);
    assert!(workspace.providers.retained_len() <= limits.retained_outcomes as usize);
    assert!(workspace.agents.remembered_len() <= limits.remembered_agents as usize);
}

/// Connections are known on both sides.
fn check_members(core: &Core, slot: WorkspaceSlot, workspace: &Workspace) {
    let mut agents: BTreeMap<AgentSlot, BTreeSet<_>> = BTreeMap::new();
    for (connection, _, agent) in core.members().filter(|&(_, of, _)| of == slot) {
        if let Some(agent) = agent {
            agents.entry(agent).or_default().insert(connection);
        } else if let Some((_, provider)) = core.provider_of(connection) {
            assert!(core.provider_connections(&workspace.name, provider).contains(&connection));
        } else {
            assert!(workspace.observers.contains(&connection));
        }
    }
    for (agent, desk) in workspace.agents.iter().filter(|(_, desk)| desk.is_connected()) {
        assert_eq!(
            agents.remove(&agent),
            Some(desk.connections.as_slice().iter().copied().collect()),
            "tabs of {}",
            desk.name
        );
    }
    assert!(agents.is_empty(), "a connection of no agent");
    for &agent in workspace.regrouping.keys() {
        assert!(workspace.agents.try_get(agent).is_some_and(|desk| desk.left_at.is_some()), "missed, but not gone");
    }
}

/// Arrivals, ids, open indexes, audiences, providers: all say the same as the notifications.
fn check_indexes(workspace: &Workspace) {
    let open: BTreeMap<u64, (OpenSlot, &OpenNotification)> =
        workspace.open.iter().map(|(slot, open)| (open.arrival, (slot, open))).collect();
    assert!(workspace.arrivals.iter().eq(open.iter().map(|(arrival, (slot, _))| (arrival, slot))));
    assert_eq!(workspace.open_by_id.len(), open.len());
    for &(slot, open) in open.values() {
        assert_eq!(workspace.open_by_id.get(&open.content.notification_id), Some(&slot));
    }
    assert_eq!(workspace.auto_accepts as usize, open.values().filter(|(_, open)| is_auto(open)).count());
    let never = |open: &&(OpenSlot, &OpenNotification)| !open.1.was_displayed;
    assert_eq!(workspace.never_displayed as usize, open.values().filter(never).count());
    let open_contexts = open.values().filter_map(|(_, one)| one.context.as_ref());
    let contexts = open_contexts.chain(workspace.sessions.iter().filter_map(|(_, session)| session.context.as_ref()));
    assert_eq!(workspace.context_bytes, contexts.map(Context::bytes).sum::<u64>());
    for (slot, audience) in workspace.audiences.iter() {
        let of_it: Vec<_> = open.values().filter(|(_, open)| open.audience == slot).collect();
        assert_eq!(audience.open as usize, of_it.len());
        assert_eq!(audience.never_displayed as usize, of_it.into_iter().filter(never_of).count());
    }
    check_open_indexes(workspace, &open);
    workspace
        .providers
        .check(&open.iter().map(|(&arrival, (slot, open))| (arrival, (*slot, &*open.content))).collect());
    workspace.sessions.check(open.values().map(|(_, open)| (&open.content.session_id, &open.content.provider_id)));
}

fn never_of(open: &&(OpenSlot, &OpenNotification)) -> bool {
    !open.1.was_displayed
}

fn check_open_indexes(workspace: &Workspace, open: &BTreeMap<u64, (OpenSlot, &OpenNotification)>) {
    let index_of = |is_in: &dyn Fn(&OpenNotification) -> bool| {
        let mut stream = OpenIndex::default();
        for &(slot, open) in open.values() {
            if is_in(open) {
                stream.insert(open.rank(), slot, is_auto(open));
            }
        }
        stream
    };
    let to = |open: &OpenNotification| workspace.audiences.get(open.audience).to.clone();
    assert_eq!(workspace.everybody, index_of(&|open| to(open).is_everyone()), "everybody's open notifications");
    for (_, agent) in workspace.agents.iter() {
        assert_eq!(
            agent.addressed,
            index_of(&|open| to(open).agents.contains(&agent.name)),
            "{}'s open notifications",
            agent.name
        );
    }
    for (_, group) in workspace.groups.iter() {
        assert_eq!(
            group.open,
            index_of(&|open| to(open).groups.contains(&group.name)),
            "{}'s open notifications",
            group.name
        );
    }
}

/// Slots are kept as long as something knows them, and groups know their connected members.
fn check_holders(workspace: &Workspace) {
    let audiences_of = |agent: AgentSlot| workspace.audiences.iter().filter(|(_, a)| a.agents.contains(&agent)).count();
    for (slot, agent) in workspace.agents.iter() {
        let sessions: BTreeSet<Name> =
            workspace.sessions.iter().filter(|(_, s)| s.agent == slot).map(|(id, _)| id.clone()).collect();
        assert_eq!(agent.sessions, sessions, "sessions of {}", agent.name);
        assert_eq!(agent.references as usize, audiences_of(slot) + sessions.len(), "holders of {}", agent.name);
    }
    let in_agents =
        |group: GroupSlot| workspace.agents.iter().filter(|(_, agent)| agent.groups.contains(&group)).count();
    let in_audiences = |group: GroupSlot| workspace.audiences.iter().filter(|(_, a)| a.groups.contains(&group)).count();
    workspace.groups.check(|group| in_agents(group) + in_audiences(group));
    for (slot, group) in workspace.groups.iter() {
        let is_member = |(_, agent): &(AgentSlot, &Agent)| agent.is_connected() && agent.groups.contains(&slot);
        let members: BTreeSet<AgentSlot> = workspace.agents.iter().filter(is_member).map(|(agent, _)| agent).collect();
        assert_eq!(group.members, members, "members of {}", group.name);
    }
}

/// Desks keep their bounds, hold only what is open and offered, and leave no place empty that something could take.
fn check_desks(workspace: &Workspace, limits: &Limits, widest: &Limits) {
    for (slot, open) in workspace.open.iter() {
        for (agent, desk) in workspace.agents.iter() {
            let on_desk = desk.displayed.contains(&slot) || desk.waiting.contains(&slot);
            assert_eq!(open.on_desk.contains(agent), on_desk, "on {}'s desk", desk.name);
        }
        assert_eq!(open.was_displayed, open.displayed_to.len() > 0);
        assert!(open.seen_by.iter().all(|agent| open.displayed_to.contains(agent)), "seen, but not displayed");
    }
    for (agent, desk) in workspace.agents.iter() {
        check_desk(workspace, agent, desk, limits, widest);
    }
}

fn check_desk(workspace: &Workspace, agent: AgentSlot, desk: &Agent, limits: &Limits, widest: &Limits) {
    let name = &desk.name;
    assert!(desk.displayed.len() <= widest.display_limit as usize, "{name} displays too many");
    assert!(desk.waiting.len() <= limits.queue_limit as usize, "too many wait for {name}");
    assert!(desk.is_connected() || desk.displayed.is_empty(), "{name} is gone and displays");
    assert!(desk.is_available() || desk.waiting.is_empty(), "{name} is not available and has waiting");
    let mut all: Vec<OpenSlot> = desk.displayed.clone();
    all.extend(&desk.waiting);
    for &slot in &all {
        let open = workspace.open.get(slot).expect("what is on a desk is open");
        assert!(!open.rejected_by.contains(agent), "{name} rejected it");
    }
    assert!(desk.displayed.iter().all(|&slot| workspace.open[slot].displayed_to.contains(agent)));
    assert!(desk.displayed.iter().all(|&slot| !is_auto(&workspace.open[slot])), "an automatic one is displayed");
    assert!(desk.waiting.iter().all(|&slot| is_for(workspace, agent, &workspace.open[slot])), "not for {name}");
    assert!(desk.waiting.iter().is_sorted_by_key(|&slot| workspace.open[slot].rank()), "{name}'s queue is in order");
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), desk.displayed.len() + desk.waiting.len(), "twice on {name}'s desk");
    if desk.is_available() {
        check_full(workspace, agent, desk, limits);
    }
}

/// A free place never stands empty while something in the agent's stream could take it.
fn check_full(workspace: &Workspace, agent: AgentSlot, desk: &Agent, limits: &Limits) {
    let may_display = desk.displayed.len() < limits.display_limit as usize;
    let may_wait = desk.waiting.len() < limits.queue_limit as usize;
    let waits_plain = desk.waiting.iter().any(|&slot| !is_auto(&workspace.open[slot]));
    assert!(!(may_display && waits_plain), "{} has room, and something waits", desk.name);
    for (_, open) in workspace.open.iter().filter(|(_, open)| is_for(workspace, agent, open) && open.is_new_to(agent)) {
        assert!(!may_wait, "{} could have {:?} waiting", desk.name, open.content.notification_id);
        assert!(!may_display || is_auto(open), "{} could display {:?}", desk.name, open.content.notification_id);
    }
}

/// Nothing automatic waits while somebody could take it.
fn check_autos(workspace: &Workspace, limits: &Limits) {
    for (_, open) in workspace.open.iter().filter(|(_, open)| is_auto(open)) {
        for (agent, desk) in workspace.agents.iter().filter(|(_, desk)| desk.is_available()) {
            let room = desk.displayed.len() < limits.display_limit as usize;
            let takes = room && desk.sessions.len() < limits.session_limit as usize;
            assert!(!takes || !is_for(workspace, agent, open), "{} could take an automatic one", desk.name);
        }
    }
}

fn is_auto(open: &OpenNotification) -> bool {
    open.content.rendered.auto_accept
}

/// Whether the agent is in the notification's audience, by what the agent's groups are now.
fn is_for(workspace: &Workspace, agent: AgentSlot, open: &OpenNotification) -> bool {
    let to = &workspace.audiences.get(open.audience).to;
    let desk = workspace.agents.get(agent);
    to.is_everyone()
        || to.agents.contains(&desk.name)
        || desk.groups.iter().any(|&group| to.groups.contains(&workspace.groups.get(group).name))
}
