//! Sessions and KPI marks: what starts, moves, marks and ends them.

use super::world::{World, check, raise};
use crate::ids::Millis;

fn world() -> World {
    let mut world = World::new();
    world.provider("bot");
    world.agent("ada");
    world.agent("bob");
    world
}

/// A session `s` at an agent.
fn with_session(agent: &str) -> World {
    let mut world = world();
    world.notify("bot", raise(1).session("s").agents(&[agent]));
    world.accept(agent, 1);
    world
}

#[test]
fn an_accept_starts_a_session_at_the_winner_only() {
    let mut world = world();
    world.agent("ada#2");
    world.notify("bot", raise(1).session("s"));
    let lines = world.accept("ada", 1);
    let told: Vec<_> = lines.iter().filter(|line| line.contains(": session")).collect();
    assert_eq!(told, ["ada: session s(n1)", "ada#2: session s(n1)"]);
    check(world.agent("ada#3"), "ada#3: welcome presence=available sessions=s(n1)");
}

#[test]
fn activity_sets_the_unread_count_at_the_sessions_agent() {
    let mut world = with_session("ada");
    check(world.activity("bot", "s", 3), "bot: done\nada: unread s 3");
    world.provider("monitor");
    check(world.activity("monitor", "s", 5), "monitor: done\nada: unread s 5");
    check(world.agent("ada#2"), "ada#2: welcome presence=available sessions=s+5(n1)");
    check(world.activity("bot", "unknown", 1), "bot: refused SessionNotFound");
}

#[test]
fn a_mark_is_told_to_every_agent_and_a_reset_only_if_there_was_one() {
    let mut world = with_session("ada");
    world.provider("monitor");
    check(world.unmark("bot", "s"), "bot: done");
    check(world.mark("monitor", "s", "slow"), "monitor: done\nada: kpi s(slow)@0\nbob: kpi s(slow)@0");
    world.wait(50);
    // Set again it keeps its since and takes the new details.
    check(world.mark("bot", "s", "slower"), "bot: done\nada: kpi s(slower)@0\nbob: kpi s(slower)@0");
    check(world.agent("ada#2"), "ada#2: welcome presence=available sessions=s!(n1) kpi=s(slower)@0");
    check(world.unmark("bot", "s"), "bot: done\nada: kpi s clear\nada#2: kpi s clear\nbob: kpi s clear");
    // An unknown session is marked all the same.
    check(world.mark("bot", "x", "?"), "bot: done\nada: kpi x(?)@50\nada#2: kpi x(?)@50\nbob: kpi x(?)@50");
}

#[test]
fn an_accept_for_an_open_session_moves_it_with_mark_and_title() {
    let mut world = with_session("ada");
    world.activity("bot", "s", 3);
    world.mark("bot", "s", "slow");
    world.wait(10);
    world.notify("bot", raise(2).session("s").agents(&["bob"]));
    check(
        world.accept("bob", 2),
        "bob: close n2 Accepted by bob
         ada: session s ended
         bob: session s!(n2)
         bot: n2 Accepted by bob (1/0/0)
         bob: answer n2 Accepted by bob won",
    );
    let effects = world.effects.last().expect("a record").concat();
    assert!(effects.contains("title: \"title 1\""), "{effects}");
    check(world.end_session("ada", "s"), "ada: refused SessionOwnedByAnother");
    check(
        world.end_session("bob", "s"),
        "bob: done
         bob: session s ended
         ada: kpi s clear
         bob: kpi s clear",
    );
}

#[test]
fn an_accept_by_the_agent_who_has_it_tells_the_session_again() {
    let mut world = with_session("ada");
    world.activity("bot", "s", 3);
    world.notify("bot", raise(2).session("s").agents(&["ada"]));
    check(
        world.accept("ada", 2),
        "ada: close n2 Accepted by ada
         ada: session s+3(n2)
         bot: n2 Accepted by ada (1/0/0)
         ada: answer n2 Accepted by ada won",
    );
}

#[test]
fn a_session_is_ended_by_its_provider_or_its_agent_and_ending_it_again_is_no_error() {
    let mut world = with_session("ada");
    world.provider("other");
    check(world.end_session("other", "s"), "other: refused SessionOwnedByAnother");
    check(world.end_session("bob", "s"), "bob: refused SessionOwnedByAnother");
    check(world.end_session("bot", "s"), "bot: done\nada: session s ended");
    check(world.end_session("bot", "s"), "bot: done");
    check(world.end_session("ada", "s"), "ada: done");
    check(world.end_session("bob", "s"), "bob: refused SessionNotFound");
    check(world.end_session("bot", "x"), "bot: refused SessionNotFound");
    world.wait(600_000);
    check(world.end_session("bot", "s"), "bot: refused SessionNotFound");
}

#[test]
fn a_session_outlives_its_agents_connections() {
    let mut world = with_session("ada");
    world.leave("ada");
    world.activity("bot", "s", 2);
    world.wait(3_600_000);
    check(world.agent("ada"), "ada: welcome presence=available sessions=s+2(n1)");
    world.restart();
    check(world.agent("ada"), "ada: welcome presence=available sessions=s+2(n1)");
}

#[test]
fn what_nothing_touches_for_long_enough_ends_by_itself() {
    let mut world = World::with_limits(|limits| limits.session_idle = Millis(1_000));
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).session("s"));
    world.accept("ada", 1);
    world.mark("bot", "s", "slow");
    world.mark("bot", "x", "slow");
    check(world.wait(900), "");
    world.activity("bot", "s", 1);
    check(world.wait(100), "ada: kpi x clear");
    check(world.wait(799), "");
    world.mark("bot", "s", "slow");
    check(world.wait(999), "");
    check(world.wait(1), "ada: session s ended\nada: kpi s clear");
}

#[test]
fn a_session_that_starts_touches_the_mark_that_waited_for_it() {
    let mut world = World::with_limits(|limits| limits.session_idle = Millis(1_000));
    world.provider("bot");
    world.agent("ada");
    world.mark("bot", "s", "slow");
    world.notify("bot", raise(1).session("s"));
    world.wait(900);
    check(
        world.accept("ada", 1),
        "ada: close n1 Accepted by ada
         ada: session s!(n1)
         bot: n1 Accepted by ada (1/0/0)
         ada: answer n1 Accepted by ada won",
    );
    check(world.wait(999), "");
    check(world.wait(1), "ada: session s ended\nada: kpi s clear");
}

#[test]
fn what_agents_are_told_of_a_session_bears_the_correlation_id_of_the_call_that_caused_it() {
    let mut world = with_session("ada");
    let last = |world: &World| (world.effects.last().expect("a record").concat(), world.records.len() - 1);
    world.activity("bot", "s", 1);
    let (effects, call) = last(&world);
    assert_eq!(effects.matches(&format!("\"c{call}\"")).count(), 2, "{effects}");
    world.mark("bot", "s", "slow");
    let (effects, call) = last(&world);
    assert_eq!(effects.matches(&format!("\"c{call}\"")).count(), 2, "{effects}");
    world.end_session("bot", "s");
    let (effects, call) = last(&world);
    assert_eq!(effects.matches(&format!("\"c{call}\"")).count(), 3, "{effects}");
}

#[test]
fn the_winner_alone_receives_the_context() {
    let mut world = world();
    world.agent("ada#2");
    world.observer("watch");
    let others = world.notify("bot", raise(1).session("s").context("{ \"a\":1}"));
    assert!(others.iter().all(|line| !line.contains("context")), "{others:?}");
    let lines = world.accept("ada", 1);
    let told: Vec<_> = lines.iter().filter(|line| line.contains("context")).collect();
    assert_eq!(told, ["ada: session s~(n1) context { \"a\":1}", "ada#2: session s~(n1) context { \"a\":1}"]);
    check(world.agent("ada#3"), "ada#3: welcome presence=available sessions=s~(n1)");
    check(world.get_context("ada#3", "s"), "ada#3: context s { \"a\":1}");
    check(world.get_context("bob", "s"), "bob: refused SessionOwnedByAnother");
    check(world.get_context("bob", "x"), "bob: refused SessionNotFound");
}

#[test]
fn a_move_hands_the_context_on_unless_it_brings_its_own() {
    let mut world = world();
    world.notify("bot", raise(1).session("s").context("{\"a\":1}").agents(&["ada"]));
    world.accept("ada", 1);
    world.notify("bot", raise(2).session("s").agents(&["bob"]));
    let lines = world.accept("bob", 2);
    assert!(lines.contains(&"bob: session s~(n2) context {\"a\":1}".to_owned()), "{lines:?}");
    check(world.get_context("ada", "s"), "ada: refused SessionOwnedByAnother");
    world.notify("bot", raise(3).session("s").context("{\"b\":2}").agents(&["ada"]));
    let lines = world.accept("ada", 3);
    assert!(lines.contains(&"ada: session s~(n3) context {\"b\":2}".to_owned()), "{lines:?}");
    world.end_session("bot", "s");
    check(world.get_context("ada", "s"), "ada: refused SessionNotFound");
    world.notify("bot", raise(4).session("t").agents(&["ada"]));
    world.accept("ada", 4);
    check(world.get_context("ada", "t"), "ada: refused NoContext");
}

#[test]
fn contexts_are_bounded_and_their_bytes_come_back() {
    let mut world = World::with_limits(|limits| limits.context_bytes = 16);
    world.provider("bot");
    world.agent("ada");
    world.notify("bot", raise(1).session("s").context("{\"a\":1}"));
    world.accept("ada", 1);
    world.notify("bot", raise(2).token("k").context("{\"b\":2}"));
    check(world.notify("bot", raise(3).context("{\"c\":3}")), "bot: refused ContextBytes { limit: 16 }");
    world.cancel("bot", "k");
    // A transfer that hands the context on counts it once.
    world.notify("bot", raise(4).session("s").agents(&["ada"]));
    world.accept("ada", 4);
    assert!(world.notify("bot", raise(5).context("{\"e\":5}"))[0].starts_with("bot: ack"));
    check(world.notify("bot", raise(6).context("{\"f\":6}")), "bot: refused ContextBytes { limit: 16 }");
    world.end_session("ada", "s");
    assert!(world.notify("bot", raise(7).context("{\"g\":7}"))[0].starts_with("bot: ack"));
}
