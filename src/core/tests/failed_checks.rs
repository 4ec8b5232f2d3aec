//! A state that contradicts itself: the core must notice it where the wrong entry is used, and panic with a text that
//! says which. Otherwise a count would wrap or an index would keep an entry, and every hub would do wrong work alike.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::world::{World, raise};
use crate::collections::expiry_index::ExpiryIndex;
use crate::ids::{Incarnation, NotificationId};
use crate::state_machine::{ConnectionRole, Core};
use crate::workspace::audiences::OpenIndex;
use crate::workspace::{AudienceSlot, OpenSlot, Workspace};

/// A provider, an agent, and one notification for everybody that the agent has displayed (n1) and one for a group without
/// members (n2). The agent has the session `s` of an accepted notification (n3).
fn world() -> World {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ann");
    world.notify("bot", raise(3).session("s"));
    world.accept("ann", 3);
    world.notify("bot", raise(1).id("one").token("token"));
    world.notify("bot", raise(2).groups(&["night"]));
    world
}

fn workspace(core: &mut Core) -> &mut Workspace {
    let slot = core.by_name["default"];
    &mut core.workspaces[slot]
}

fn slot_of(core: &mut Core, number: u128) -> OpenSlot {
    workspace(core).open_by_id[&NotificationId(number)]
}

fn audience_of(core: &mut Core, number: u128) -> AudienceSlot {
    let slot = slot_of(core, number);
    workspace(core).open[slot].audience
}

/// Damages the state, then does `act`. The core must panic with a text that contains `expected`.
#[track_caller]
fn noticed(expected: &str, damage: impl FnOnce(&mut Core), act: impl FnOnce(&mut World)) {
    let mut world = world();
    damage(&mut world.core);
    let panic = catch_unwind(AssertUnwindSafe(|| act(&mut world)));
    let panic = panic.expect_err(&format!("nobody noticed what is to be reported as: {expected}"));
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
    assert!(text.contains(expected), "expected: {expected}\ngot: {text}");
}

fn accept_one(world: &mut World) {
    world.accept("ann", 1);
}

fn cancel_one(world: &mut World) {
    world.cancel("bot", "token");
}

/// Ends the notification for the group, which nobody has displayed.
fn let_two_expire(world: &mut World) {
    world.oversleep(600_000);
    world.tick();
}

#[test]
fn a_notification_leaves_exactly_the_indexes_that_it_entered() {
    noticed("was not among the deadlines", |core| core.deadlines.clear(), cancel_one);
    noticed("has no entry by its id", |core| workspace(core).open_by_id.clear(), cancel_one);
    noticed("has no entry by arrival", |core| workspace(core).arrivals.clear(), cancel_one);
    noticed(
        "leaves an index that it did not enter",
        |core| workspace(core).everybody = OpenIndex::default(),
        cancel_one,
    );
    noticed(
        "has no value",
        |core| {
            let slot = slot_of(core, 1);
            workspace(core).open.remove(slot);
        },
        accept_one,
    );
    noticed(
        "has no value",
        |core| {
            let group = workspace(core).groups.find("night").unwrap();
            workspace(core).groups.release(group);
        },
        let_two_expire,
    );
}

#[test]
fn a_count_never_falls_below_zero() {
    noticed("did not count as waiting", |core| workspace(core).never_displayed = 0, let_two_expire);
    noticed(
        "loses more notifications than it had",
        |core| {
            let audience = audience_of(core, 1);
            workspace(core).audiences.get_mut(audience).open = 0;
        },
        cancel_one,
    );
    noticed(
        "loses more waiting notifications than it had",
        |core| {
            let audience = audience_of(core, 2);
            workspace(core).audiences.get_mut(audience).never_displayed = 0;
        },
        let_two_expire,
    );
    noticed(
        "did not count as connected",
        |core| workspace(core).providers.connected = 0,
        |world| drop(world.leave("bot")),
    );
    noticed(
        "agent ann is released more often than retained",
        |core| {
            let ann = workspace(core).agents.find("ann").unwrap();
            workspace(core).agents.get_mut(ann).references = 0;
        },
        |world| drop(world.end_session("bot", "s")),
    );
}

#[test]
fn a_desk_and_its_notifications_agree() {
    noticed(
        "neither displayed nor queued",
        |core| {
            let ann = workspace(core).agents.find("ann").unwrap();
            workspace(core).agents.get_mut(ann).displayed.clear();
        },
        cancel_one,
    );
    noticed(
        "a displayed notification was not on the desk",
        |core| {
            let (ann, slot) = (workspace(core).agents.find("ann").unwrap(), slot_of(core, 1));
            workspace(core).open[slot].on_desk.remove(ann);
        },
        |world| drop(world.leave("ann")),
    );
}

#[test]
fn sessions_connections_and_workspaces_are_where_others_refer_to_them() {
    noticed(
        "session s was not at its agent",
        |core| {
            let ann = workspace(core).agents.find("ann").unwrap();
            workspace(core).agents.get_mut(ann).sessions.clear();
        },
        |world| drop(world.end_session("bot", "s")),
    );
    noticed(
        "of provider bot is unknown",
        |core| {
            let hub = core.hubs.get_mut(&Incarnation(1)).unwrap();
            hub.connections.get_mut(&2).unwrap().role = ConnectionRole::Provider("bot".into());
        },
        |world| drop(world.leave("ann")),
    );
    noticed(
        "is not in order",
        |core| core.forgetting = ExpiryIndex::without_order(core.by_name["default"]),
        cancel_one,
    );
    noticed(
        "workspace other has no entry by name",
        |_| {},
        |world| {
            world.observer("other:eve");
            world.core.by_name.remove("other");
            world.leave("other:eve");
        },
    );
}
